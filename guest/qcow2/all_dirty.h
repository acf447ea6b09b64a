/* SPDX-License-Identifier: MIT */
/*
 * A bitmap in which every bit is set: what is safe to say of a bitmap whose bits are not
 * known.  "All ones" entries say it without data, but for a last entry that reaches
 * behind the end of the disk: the bits there must be zero ("Bitmap data"), so it takes a
 * data cluster.  (QEMU accepts all ones there too, and then stores the bits behind the
 * end.)
 *
 * Nothing is allocated or written here: plan, find a cluster if one is needed, store.
 */
#ifndef INSTAR_GUEST_QCOW2_ALL_DIRTY_H
#define INSTAR_GUEST_QCOW2_ALL_DIRTY_H

#include "guest/qcow2/header.h"

struct all_dirty {
        uint64_t entries;       /* of the table */
        uint64_t data_clusters; /* that the table refers to: 0 or 1 */
        uint64_t data_bits;     /* that are set in the data cluster, the first of it */
        uint64_t data_bytes;    /* whole sectors that hold them; the rest is zeros */
};

/* Plan a bitmap of this granularity over the whole disk: not an empty one, and
 * bitmap_size_allowed(). */
struct all_dirty all_dirty_plan(const struct header *header, uint32_t granularity_bits);

/* Store the table: plan->entries big-endian numbers.  `data_offset`: the data cluster's
 * place in the file, if plan->data_clusters. */
void all_dirty_store_table(const struct all_dirty *plan, uint64_t data_offset,
                           uint64_t *table);

/* Store the beginning of the data cluster: plan->data_bytes bytes. */
void all_dirty_store_data(const struct all_dirty *plan, uint8_t *bytes);

#endif
