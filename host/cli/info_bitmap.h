/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_INFO_BITMAP_H
#define INSTAR_HOST_CLI_INFO_BITMAP_H

#include "host/cli/info_view.h"

/* One bitmap, as an object in the array that is open: what QEMU shows of it, then ours.
 * `size`: of the virtual disk. */
void info_bitmap_write(struct tree_writer *tree, const struct info_bitmap *bitmap,
                       uint64_t size);

#endif
