/* SPDX-License-Identifier: MIT */
/* An image that has everything that QEMU tells of one, and what is printed of it. */
#ifndef INSTAR_TESTS_UNIT_CLI_INFO_EVERYTHING_H
#define INSTAR_TESTS_UNIT_CLI_INFO_EVERYTHING_H

void report_an_image_with_everything(void);

/* Its keys and lines, and their order, are those of qemu-img 7.2. */
extern const char everything_in_json[];
extern const char everything_for_humans[];

#endif
