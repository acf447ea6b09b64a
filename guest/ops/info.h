/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_INFO_H
#define INSTAR_GUEST_OPS_INFO_H

/* The program: reports what the image is, its snapshots, its bitmaps, and damage. */
void info_main(void);

#endif
