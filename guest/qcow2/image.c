/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/image.h"

#include <string.h>

#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

enum abi_code image_open(struct image *image, uint64_t file_size, bool block_device)
{
        memset(image, 0, sizeof *image);
        image->file_size = file_size;
        image->block_device = block_device;
        struct header *h = &image->header;
        /* Everything below rounds up to clusters, the largest of which are 2 MiB. */
        if (!checked_round_up(file_size, 1ull << QCOW2_MAX_CLUSTER_BITS, &image->file_end))
                return ABI_OVERFLOW;
        enum abi_code code = header_read(file_size, h, &image->header_bytes);
        if (code)
                return code;
        image->file_end = header_file_end(h, file_size);
        if ((code = directory_queue_read(h, &image->directory)) ||
            (code = refcounts_queue_table(h, file_size, &image->refcounts)))
                return code;
        read_flush();
        return directory_check(h, &image->directory);
}

/* Everything but refcount blocks that must never be written over. */
static bool overlaps_tables(const struct image *image, uint64_t offset, uint64_t length)
{
        const struct header *h = &image->header;
        return offset < h->cluster_size ||
               ranges_overlap(offset, length, h->l1_offset, (uint64_t)h->l1_size * 8) ||
               ranges_overlap(offset, length, h->refcount_table_offset,
                              h->refcount_table_clusters * h->cluster_size);
}

/* The snapshot table and every snapshot's L1 table; a table that cannot be walked
 * overlaps everything. */
static enum abi_code snapshots_overlap(const struct image *image, uint64_t offset,
                                       uint64_t length, bool *overlap)
{
        struct snapshot_walk walk;
        struct snapshot_l1 l1;
        enum snapshot_step step;
        *overlap = false;
        if (!image->header.snapshot_count)
                return ABI_OK;
        uint64_t mark = arena_mark();
        enum abi_code code = snapshot_walk_begin(&walk, &image->header, image->file_size);
        if (code)
                return code;
        read_flush();
        while ((step = snapshot_walk_next(&walk, &l1)) == SNAPSHOT_ENTRY)
                if (!range_inside(l1.offset, (uint64_t)l1.entries * 8, image->file_end) ||
                    ranges_overlap(l1.offset, (uint64_t)l1.entries * 8, offset, length))
                        *overlap = true;
        if (step == SNAPSHOT_MALFORMED ||
            ranges_overlap(walk.start, walk.position - walk.start, offset, length))
                *overlap = true;
        arena_release(mark);
        return ABI_OK;
}

static enum abi_code all_refcounts_one(struct image *image, uint64_t offset,
                                       uint64_t length, bool *ones)
{
        uint32_t bits = image->header.cluster_bits;
        uint64_t last = (offset + length - 1) >> bits;
        *ones = true;
        for (uint64_t c = offset >> bits; c <= last && *ones; c++) {
                uint16_t value;
                enum abi_code code = refcount_get(&image->refcounts, c, &value);
                if (code)
                        return code;
                *ones = value == 1;
        }
        return ABI_OK;
}

enum abi_code image_in_place(struct image *image, uint64_t offset, uint64_t length,
                             bool *allowed)
{
        *allowed = false;
        if (!length || !range_inside(offset, length, image->file_end) ||
            overlaps_tables(image, offset, length) ||
            refcounts_overlap(&image->refcounts, offset, length))
                return ABI_OK;
        bool ones;
        enum abi_code code = all_refcounts_one(image, offset, length, &ones);
        if (code || !ones)
                return code;
        bool snapshots;
        code = snapshots_overlap(image, offset, length, &snapshots);
        *allowed = !code && !snapshots;
        return code;
}

enum abi_code image_block_in_place(struct image *image, uint64_t block_index,
                                   bool *allowed)
{
        struct refcounts *rc = &image->refcounts;
        uint64_t block;
        *allowed = false;
        enum abi_code code = refcounts_block(rc, block_index, &block);
        if (code || !block)
                return code;
        if (overlaps_tables(image, block, image->header.cluster_size))
                return ABI_OK;
        for (uint64_t i = 0; i < rc->entries_read; i++)
                if (i != block_index && load_be64(&rc->table[i]) == block)
                        return ABI_OK;
        uint16_t value;
        bool snapshots;
        if ((code = refcount_get(rc, block >> image->header.cluster_bits, &value)) ||
            value != 1)
                return code;
        code = snapshots_overlap(image, block, image->header.cluster_size, &snapshots);
        *allowed = !code && !snapshots;
        return code;
}
