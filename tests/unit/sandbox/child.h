/* SPDX-License-Identifier: MIT */
/* Arming is for life: each attempt is made in a child of its own. */
#ifndef INSTAR_TESTS_UNIT_SANDBOX_CHILD_H
#define INSTAR_TESTS_UNIT_SANDBOX_CHILD_H

#include <stdbool.h>

/* Run in a child process; what it returns is the child's exit code (below 100). */
typedef int child_function(void *argument);

/* The child's exit code, or 128 + the signal that ended it. */
int child_run(child_function *function, void *argument);

/* A fresh directory, removed with what is in it by child_remove_directory(). */
int child_directory(char path[64]);
void child_remove_directory(const char *path);

#endif
