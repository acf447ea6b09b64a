/* SPDX-License-Identifier: MIT */
/*
 * Growing the refcount structures: committed transactions of their own, before
 * the edit.
 *
 *     build   new blocks (and the new table) with their own refcounts
 *     switch  the table's entries, which lie in one sector; or, where the table
 *             moves, bytes 48..59 of the header in one write
 *     release the old table's clusters, where they are proved to be nothing else's
 *
 * A block is placed where its own refcount is covered by a block that is published
 * before it or with it, so every state in between has correct refcounts or leaks.
 */
#ifndef INSTAR_GUEST_QCOW2_GROWTH_H
#define INSTAR_GUEST_QCOW2_GROWTH_H

#include "guest/qcow2/allocator.h"

struct growth {
        struct allocator *allocator;
        bool release_table; /* the old table is proved */
        uint64_t leaked;    /* clusters of it that are not */
        uint8_t *new_table; /* its content; NULL: the table stays */
        uint64_t new_table_bytes;
};

/*
 * Everything that can refuse a growth: memory, ownership of the old table,
 * in-place writes.  Nothing is emitted.  `scan_l2` as for ownership_prove().
 */
enum abi_code growth_prepare(struct allocator *allocator, bool scan_l2,
                             struct growth *growth);

/* True if there is anything to publish. */
bool growth_needed(const struct growth *growth);

/*
 * Emit the growth's transactions.  *file_size is the size before, and the size
 * after on return.
 */
enum abi_code growth_emit(struct growth *growth, uint64_t *file_size);

#endif
