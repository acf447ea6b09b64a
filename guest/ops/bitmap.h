/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_BITMAP_H
#define INSTAR_GUEST_OPS_BITMAP_H

/* The program `bitmap.bin`: reads rt_call(), edits the image, ends with ABI_END.
 * Starts from a clean arena and doorbell, so that native runs may repeat it. */
void guest_main(void);

#endif
