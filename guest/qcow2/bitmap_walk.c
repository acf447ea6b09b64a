/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/bitmap_walk.h"

#include <string.h>

#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

/* Small, so that a large bitmap takes no more memory than a small one; and large
 * enough that exits do not count. */
#define BATCH_BYTES (256ull << 10)

static uint64_t all_parts(const struct bitmap_walk *walk)
{
        return walk->entry.table_entries * walk->parts;
}

enum abi_code bitmap_walk_begin(struct bitmap_walk *walk, const struct image *image,
                                const struct directory_entry *entry)
{
        const struct header *h = &image->header;
        uint64_t length = entry->table_entries * 8ull;
        memset(walk, 0, sizeof *walk);
        walk->image = image;
        walk->entry = *entry;
        walk->bits = bitmap_bits(h, entry->granularity_bits);
        walk->part_bytes = h->cluster_size < BATCH_BYTES ? h->cluster_size : BATCH_BYTES;
        walk->parts = h->cluster_size / walk->part_bytes;
        walk->batch = BATCH_BYTES / walk->part_bytes;
        if (walk->batch > all_parts(walk))
                walk->batch = all_parts(walk);
        if (!range_inside(entry->table_offset, length, image->file_size))
                return fail(ABI_BAD_TABLE, entry->table_offset, 0, 0, 0);
        walk->data = arena_alloc(walk->batch * walk->part_bytes);
        walk->kinds = arena_alloc(walk->batch);
        return walk->data && walk->kinds ? ABI_OK : ABI_TOO_LARGE;
}

void bitmap_walk_rewind(struct bitmap_walk *walk)
{
        walk->next = 0;
        walk->batch_first = 0;
        walk->batch_count = 0;
}

static enum table_entry_kind kind_of(const struct bitmap_walk *walk, uint64_t entry)
{
        return table_entry_kind(&walk->image->header, entry, walk->image->file_size);
}

enum abi_code bitmap_walk_check(struct bitmap_walk *walk,
                                struct bitmap_table_facts *facts)
{
        enum abi_code code = ABI_OK;
        *facts = (struct bitmap_table_facts){0, 0};
        for (uint64_t i = 0; i < walk->entry.table_entries; i++) {
                uint64_t entry = table_readahead_entry(&walk->entry, i);
                enum table_entry_kind kind = kind_of(walk, entry);
                facts->data_clusters += kind == TABLE_ENTRY_DATA;
                facts->all_ones += kind == TABLE_ENTRY_ONES;
                if (kind == TABLE_ENTRY_INVALID && !code)
                        code = fail(ABI_BAD_TABLE, walk->entry.table_offset, i, entry, 0);
        }
        return code;
}

/* Bits that part `index` stands for. */
static uint64_t bits_of(const struct bitmap_walk *walk, uint64_t index)
{
        uint64_t most = walk->part_bytes * 8;
        uint64_t first = index * most;
        uint64_t left = walk->bits > first ? walk->bits - first : 0;
        return left < most ? left : most;
}

/* Read the data of the parts from walk->next on. */
static void read_batch(struct bitmap_walk *walk)
{
        uint64_t left = all_parts(walk) - walk->next;
        bool any = false;
        walk->batch_first = walk->next;
        walk->batch_count = left < walk->batch ? left : walk->batch;
        for (uint64_t i = 0; i < walk->batch_count; i++) {
                uint64_t part = walk->batch_first + i;
                uint64_t entry = table_readahead_entry(&walk->entry, part / walk->parts);
                uint64_t offset =
                    (entry & QCOW2_OFFSET_MASK) + part % walk->parts * walk->part_bytes;
                walk->kinds[i] = (uint8_t)kind_of(walk, entry);
                if (walk->kinds[i] != TABLE_ENTRY_DATA)
                        continue;
                read_queue(offset, walk->data + i * walk->part_bytes, walk->part_bytes);
                any = true;
        }
        if (any)
                read_flush();
}

struct bitmap_piece bitmap_walk_next(struct bitmap_walk *walk)
{
        uint64_t index = walk->next;
        if (index >= all_parts(walk) || !bits_of(walk, index))
                return (struct bitmap_piece){.bits = 0};
        if (index - walk->batch_first >= walk->batch_count)
                read_batch(walk);
        uint64_t place = index - walk->batch_first;
        walk->next++;
        return (struct bitmap_piece){
            .first = index * walk->part_bytes * 8,
            .bits = bits_of(walk, index),
            .kind = (enum table_entry_kind)walk->kinds[place],
            .words =
                (const uint64_t *)(const void *)(walk->data + place * walk->part_bytes),
        };
}
