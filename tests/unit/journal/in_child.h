/* SPDX-License-Identifier: MIT */
/* Run a piece of a test in a process of its own, which may change users or mounts. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_IN_CHILD_H
#define INSTAR_TESTS_UNIT_JOURNAL_IN_CHILD_H

/* What `function` returned (0 to 100), or -1 if the process died. */
int in_child(int (*function)(void *context), void *context);

/* Become a user without rights over root's files, if we are root.  For in_child(). */
void become_nobody(void);

#define NOBODY 65534u

#endif
