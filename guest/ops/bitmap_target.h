/* SPDX-License-Identifier: MIT */
/*
 * The actions of one invocation, carried out in order on a model of the one bitmap
 * that they all name.  What comes out is the net change.
 */
#ifndef INSTAR_GUEST_OPS_BITMAP_TARGET_H
#define INSTAR_GUEST_OPS_BITMAP_TARGET_H

#include "guest/qcow2/image.h"

struct target {
        struct bitmap_name name;
        bool existed;
        struct directory_entry old; /* if it existed */

        bool exists;
        bool recreated; /* not the bitmap it was: removed and added, or just added */
        bool cleared;
        bool merged;
        bool reset;  /* every bit set, whatever the bits were */
        bool all_go; /* every bitmap of the image is removed; `name` is empty */
        uint32_t flags;
        uint8_t granularity_bits;

        uint32_t bitmaps; /* in the image afterwards */
        uint32_t actions_applied;
        uint32_t affected; /* bitmaps that all_go or reset change */
};

/*
 * Refuses what the specification's table refuses: ABI_NOT_FOUND, ABI_EXISTS,
 * ABI_IN_USE, ABI_NAME_TOO_LONG, ABI_BAD_GRANULARITY, ABI_TOO_MANY_BITMAPS,
 * ABI_TOO_LARGE, ABI_BAD_ACTION.  Merge sources are merge.c's business.  To reset what
 * cannot become usable that way (in a stale list, or with extra data that nobody
 * understands) is ABI_IN_USE; what is not in use stays as it is.
 */
enum abi_code target_apply_actions(const struct image *image, const struct abi_call *call,
                                   struct target *target);

#endif
