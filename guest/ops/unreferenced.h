/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_UNREFERENCED_H
#define INSTAR_GUEST_OPS_UNREFERENCED_H

/* The program: proves that nothing in the image refers to the call's ranges. */
void unreferenced_main(void);

#endif
