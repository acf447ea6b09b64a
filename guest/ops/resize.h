/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_RESIZE_H
#define INSTAR_GUEST_OPS_RESIZE_H

/* The program: makes the disk larger or smaller. */
void resize_main(void);

#endif
