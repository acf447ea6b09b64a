/* SPDX-License-Identifier: MIT */
/* The filter of a process that reads journals. */
#ifndef INSTAR_HOST_VMM_FIRST_FILTER_H
#define INSTAR_HOST_VMM_FIRST_FILTER_H

/* sandbox_arm_first() for the kind of machine that is chosen: for
 * journal_before_reading().  0 or a negative errno. */
int first_filter_arm(void);

#endif
