/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_MAP_H
#define INSTAR_GUEST_OPS_MAP_H

/* The program: reports the dirty extents of the call's target bitmap. */
void map_main(void);

#endif
