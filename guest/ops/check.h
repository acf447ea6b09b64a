/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_CHECK_H
#define INSTAR_GUEST_OPS_CHECK_H

/* The program: compares all refcounts with all references, and looks at every bitmap. */
void check_main(void);

#endif
