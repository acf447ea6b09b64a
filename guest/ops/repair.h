/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_GUEST_OPS_REPAIR_H
#define INSTAR_GUEST_OPS_REPAIR_H

/*
 * The program: mends what the checker finds.  The plan is made on top of the image
 * (guest/qcow2/overlay.h), and the checker must find nothing wrong with the result before
 * a byte is written.
 */
void repair_main(void);

#endif
