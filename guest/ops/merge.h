/* SPDX-License-Identifier: MIT */
/*
 * Merging: target |= source, cluster of bits by cluster of bits, in bounded memory.
 *
 * Data is never changed in place: a cluster that gains a bit is written anew, and a
 * new table published.  The data is looked at twice, once to decide (so that the
 * plan can be refused before anything is written) and once to write; a bitmap that fits
 * one batch is read once.
 */
#ifndef INSTAR_GUEST_OPS_MERGE_H
#define INSTAR_GUEST_OPS_MERGE_H

#include "guest/ops/bitmap_target.h"

enum merge_decision {
        MERGE_KEEP = 0, /* the target's entry stays as it is */
        MERGE_ONES,     /* becomes an all-ones entry */
        MERGE_DATA,     /* becomes a new data cluster */
};

struct merge {
        const struct image *image;
        uint64_t entries;      /* of each table */
        uint64_t bitmap_bytes; /* bytes of bits, tail included */
        uint64_t tail_bits;    /* valid bits in the last byte, 1..8 */
        const uint64_t *target_table;
        uint32_t source_count;
        const uint64_t *source_tables[ABI_MAX_MERGE_SOURCES];
        uint64_t
            source_offsets[ABI_MAX_MERGE_SOURCES]; /* of the tables, for assertions */

        uint8_t *decisions;     /* enum merge_decision per entry */
        uint64_t data_clusters; /* how many are MERGE_DATA */
        bool changed;

        uint64_t batch; /* entries worked on at a time */
        uint64_t batch_first;
        bool batch_valid; /* `result` holds the batch at batch_first */
        uint8_t *result;  /* batch * cluster size */
        uint8_t *source;
};

/*
 * Find the sources, read their tables, decide every entry.  `target_table` has been
 * read already.  ABI_SOURCE_NOT_FOUND, ABI_IN_USE, ABI_GRANULARITY_MISMATCH,
 * ABI_BAD_TABLE (an entry that does not name a cluster inside the file: to take it for
 * clean would lose dirty bits), ABI_NAME_TOO_LONG, ABI_TOO_LARGE.
 */
enum abi_code merge_decide(const struct image *image, const struct abi_call *call,
                           const struct target *target, const uint64_t *target_table,
                           struct merge *merge);

/* Emit assertions on everything that was read to decide. */
void merge_assert(const struct merge *merge, uint64_t target_offset);

/*
 * Emit the new data clusters as part of `step`: the n-th MERGE_DATA entry goes to the
 * n-th cluster of `extents`.  ABI_HEADER_CHANGED if the second look sees another
 * thing than the first.
 */
enum abi_code merge_emit(struct merge *merge, const struct extent *extents,
                         uint32_t step);

/* Store the new table, big-endian, into `table` (entries * 8 bytes). */
void merge_store_table(const struct merge *merge, const struct extent *extents,
                       uint64_t *table);

#endif
