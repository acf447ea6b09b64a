/* SPDX-License-Identifier: MIT */
/*
 * What may be written over.  An edit asks this for every cluster that it frees (of the
 * block that counts it), so the structures that must not be hit are gathered once, as
 * sorted lists: a crafted image with many blocks, snapshots and claims costs their
 * sum, not their product.
 */
#include "guest/qcow2/image.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

/* Note the clusters of [offset, +length), which lies inside the file. */
static void note_bytes(const struct image *image, struct range_list *list,
                       uint64_t offset, uint64_t length)
{
        uint32_t bits = image->header.cluster_bits;
        uint64_t first = offset >> bits;
        if (length)
                range_list_append(list, first,
                                  ((offset + length - 1) >> bits) - first + 1);
}

/* The snapshot table and every snapshot's L1 table; false where they cannot be walked:
 * then they may be anywhere. */
static bool note_snapshots(const struct image *image, struct snapshot_walk *walk,
                           struct range_list *list)
{
        struct snapshot l1;
        enum snapshot_step step;
        while ((step = snapshot_walk_next(walk, &l1)) == SNAPSHOT_ENTRY) {
                uint64_t length = (uint64_t)l1.entries * 8;
                if (!range_inside(l1.offset, length, image->file_end))
                        return false;
                note_bytes(image, list, l1.offset, length);
        }
        note_bytes(image, list, walk->start, walk->position - walk->start);
        return step == SNAPSHOT_END;
}

static enum abi_code gather_tables(struct image *image)
{
        const struct header *h = &image->header;
        struct in_place *known = &image->in_place;
        struct snapshot_walk walk;
        if (known->tables_gathered)
                return ABI_OK;
        if (!range_list_init(&known->tables, (uint64_t)h->snapshot_count + 4))
                return ABI_TOO_LARGE;
        note_bytes(image, &known->tables, 0, h->cluster_size);
        note_bytes(image, &known->tables, h->l1_offset, (uint64_t)h->l1_size * 8);
        note_bytes(image, &known->tables, h->refcount_table_offset,
                   h->refcount_table_clusters * h->cluster_size);
        if (h->snapshot_count) {
                uint64_t mark = arena_mark();
                enum abi_code code = snapshot_walk_begin(&walk, h, image->file_size);
                if (code)
                        return code;
                read_flush();
                known->snapshots_unknown = !note_snapshots(image, &walk, &known->tables);
                arena_release(mark);
        }
        range_list_unite(&known->tables);
        known->tables_gathered = true;
        return ABI_OK;
}

/* The blocks that the table names, each entry for itself: two alike stay two. */
static enum abi_code gather_blocks(struct image *image)
{
        const struct refcounts *rc = &image->refcounts;
        struct range_list *blocks = &image->in_place.blocks;
        if (image->in_place.blocks_gathered)
                return ABI_OK;
        if (!range_list_init(blocks, rc->entries_read))
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i < rc->entries_read; i++) {
                uint64_t entry = load_be64(&rc->table[i]);
                if (entry)
                        blocks->ranges[blocks->count++] = (struct cluster_range){
                            entry >> image->header.cluster_bits, 1};
        }
        range_list_sort(blocks);
        image->in_place.blocks_gathered = true;
        return ABI_OK;
}

/* How many ranges of a sorted list start before `cluster`. */
static uint64_t starts_before(const struct range_list *list, uint64_t cluster)
{
        uint64_t low = 0;
        uint64_t high = list->count;
        while (low < high) {
                uint64_t middle = low + (high - low) / 2;
                if (list->ranges[middle].first < cluster)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* True if a list of disjoint ranges has one of the clusters [first, last]. */
static bool list_overlaps(const struct range_list *list, uint64_t first, uint64_t last)
{
        uint64_t before = starts_before(list, last + 1);
        if (!before)
                return false;
        const struct cluster_range *range = &list->ranges[before - 1];
        return range->first + range->count > first;
}

/* How many of the blocks are one of the clusters [first, last]. */
static uint64_t count_blocks(const struct range_list *blocks, uint64_t first,
                             uint64_t last)
{
        return starts_before(blocks, last + 1) - starts_before(blocks, first);
}

/* Header, tables and snapshots on one side, refcount blocks on the other. */
static enum abi_code look(struct image *image, uint64_t first, uint64_t last,
                          bool *tables, uint64_t *blocks)
{
        enum abi_code code = gather_tables(image);
        if (code || (code = gather_blocks(image)))
                return code;
        *tables = image->in_place.snapshots_unknown ||
                  list_overlaps(&image->in_place.tables, first, last);
        *blocks = count_blocks(&image->in_place.blocks, first, last);
        return ABI_OK;
}

static enum abi_code all_refcounts_one(struct image *image, uint64_t first, uint64_t last,
                                       bool *ones)
{
        *ones = true;
        for (uint64_t c = first; c <= last && *ones; c++) {
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
        uint32_t bits = image->header.cluster_bits;
        bool tables;
        uint64_t blocks;
        *allowed = false;
        if (!length || !range_inside(offset, length, image->file_end))
                return ABI_OK;
        uint64_t last = (offset + length - 1) >> bits;
        enum abi_code code = look(image, offset >> bits, last, &tables, &blocks);
        if (code || tables || blocks)
                return code;
        return all_refcounts_one(image, offset >> bits, last, allowed);
}

enum abi_code image_block_in_place(struct image *image, uint64_t block_index,
                                   bool *allowed)
{
        uint64_t block;
        bool tables;
        uint64_t blocks;
        *allowed = false;
        enum abi_code code = refcounts_block(&image->refcounts, block_index, &block);
        if (code || !block)
                return code;
        uint64_t cluster = block >> image->header.cluster_bits;
        code = look(image, cluster, cluster, &tables, &blocks);
        if (code || tables || blocks > 1)
                return code;
        return all_refcounts_one(image, cluster, cluster, allowed);
}

enum abi_code image_block_refused(struct image *image, uint64_t cluster)
{
        uint64_t offset = cluster << image->header.cluster_bits;
        uint64_t block;
        uint16_t value = 0;
        enum abi_code code = refcounts_block(
            &image->refcounts, cluster >> image->refcounts.block_bits, &block);
        if (!code && block) {
                offset = block;
                code = refcount_get(&image->refcounts,
                                    block >> image->header.cluster_bits, &value);
        }
        if (code)
                return code;
        return fail(ABI_BAD_REFCOUNTS, offset, value,
                    value == 1 ? ABI_REFCOUNT_OVERLAP : ABI_REFCOUNT_SHARED, 0);
}

/* Leave out what lies in [offset, +length). */
static void leave_out(uint64_t *clusters, uint32_t *count, uint64_t offset,
                      uint64_t length, uint32_t bits)
{
        const uint64_t first = offset >> bits;
        const uint64_t inside = offset & ((1ull << bits) - 1);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < *count; i++)
                if (!length || clusters[i] < first ||
                    clusters[i] - first > (inside + length - 1) >> bits)
                        clusters[kept++] = clusters[i];
        *count = kept;
}

enum abi_code image_leave_out_named(struct image *image, uint64_t *clusters,
                                    uint32_t *count)
{
        const struct directory *d = &image->directory;
        const uint32_t bits = image->header.cluster_bits;
        struct directory_entry entry;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < *count; i++) {
                bool tables;
                uint64_t blocks;
                enum abi_code code =
                    look(image, clusters[i], clusters[i], &tables, &blocks);
                if (code)
                        return code;
                if (!tables && !blocks)
                        clusters[kept++] = clusters[i];
        }
        *count = kept;
        if (!d->bytes)
                return ABI_OK;
        leave_out(clusters, count, d->offset, d->size, bits);
        for (uint64_t at = 0; *count && directory_entry_at(d, at, &entry);
             at += entry.length)
                leave_out(clusters, count, entry.table_offset, entry.table_entries * 8ull,
                          bits);
        return ABI_OK;
}

/* The block that counts `cluster`, unless it was looked at already. */
static enum abi_code check_block(struct image *image, uint64_t cluster, uint64_t *checked)
{
        struct refcounts *rc = &image->refcounts;
        uint64_t index = cluster >> rc->block_bits;
        bool allowed;
        if (index + 1 == *checked || (index < rc->planned_entries && rc->planned[index]))
                return ABI_OK;
        *checked = index + 1;
        enum abi_code code = image_block_in_place(image, index, &allowed);
        if (!code && !allowed)
                code = image_block_refused(image, cluster);
        return code;
}

enum abi_code image_counts_in_place(struct image *image, const struct extent *extent)
{
        const uint64_t per_block = 1ull << image->refcounts.block_bits;
        uint64_t checked = 0;
        uint64_t end = extent->first + extent->count;
        for (uint64_t c = extent->first; c < end; c = (c / per_block + 1) * per_block) {
                enum abi_code code = check_block(image, c, &checked);
                if (code)
                        return code;
        }
        return ABI_OK;
}
