/* SPDX-License-Identifier: MIT */
/* What the two halves of the bitmaps' repair share. */
#ifndef INSTAR_GUEST_OPS_REPAIR_BITMAPS_H
#define INSTAR_GUEST_OPS_REPAIR_BITMAPS_H

#include "guest/ops/repair_state.h"

/* A bitmap of the new list. */
struct kept {
        struct directory_entry entry;
        uint64_t table_offset;
        uint32_t table_entries;
        uint32_t flags;
};

struct list {
        struct repair *repair;
        const struct check *counted; /* not NULL: no cluster may be shared */
        uint64_t offset;             /* of the directory */
        uint8_t *bytes;
        uint64_t limit; /* bytes that were read */
        uint64_t size;
        bool size_known;
        uint32_t count; /* as announced */
        bool count_known;
        bool changed;
        uint32_t searches;
        uint64_t name_mask;
        uint64_t *names; /* fingerprints of the names so far */
        uint32_t kept_count;
        struct kept *kept;
};

/* Why table and data of a bitmap cannot be relied on, or 0; mends bits behind the end of
 * the disk.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code repair_bitmap_data(struct list *list, const struct directory_entry *entry,
                                 enum abi_repair_reason *reason);

/* True if something else refers to a cluster of [offset, +length), too. */
bool repair_is_shared(const struct check *check, uint64_t offset, uint64_t length);

#endif
