/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/allocator.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"

/* Refcounts of this many clusters before the end are looked through for holes. */
#define HOLE_WINDOW 512u

static uint64_t end_of_file(const struct image *image)
{
        return image->file_end >> image->header.cluster_bits;
}

static uint64_t window_start(uint64_t end)
{
        return end > HOLE_WINDOW + 1 ? end - HOLE_WINDOW : 1;
}

enum abi_code allocator_prefetch(struct image *image)
{
        if (image->block_device)
                return ABI_OK;
        uint64_t end = end_of_file(image);
        uint64_t near = end > 64 ? end - 64 : 1;
        return refcounts_want(&image->refcounts, near, end - near + 2);
}

/* The last cluster with a refcount in block `index`, counted from 1; 0 if none. */
static enum abi_code last_used_in_block(struct image *image, uint64_t index,
                                        uint64_t *last)
{
        struct refcounts *rc = &image->refcounts;
        uint64_t first = index << rc->block_bits;
        uint64_t count = 1ull << rc->block_bits;
        enum abi_code code = refcounts_want(rc, first, count);
        if (code)
                return code;
        refcounts_load(rc);
        *last = 0;
        for (uint64_t i = count; i && !*last; i--) {
                uint16_t value;
                if ((code = refcount_get(rc, first + i - 1, &value)))
                        return code;
                if (value)
                        *last = first + i;
        }
        return ABI_OK;
}

/* A block device does not end where its image ends. */
static enum abi_code find_device_end(struct image *image, uint64_t *end)
{
        struct refcounts *rc = &image->refcounts;
        uint64_t blocks = (end_of_file(image) >> rc->block_bits) + 1;
        *end = 1;
        for (uint64_t i = blocks; i; i--) {
                uint64_t block;
                uint64_t last = 0;
                enum abi_code code = refcounts_block(rc, i - 1, &block);
                if (!code && block)
                        code = last_used_in_block(image, i - 1, &last);
                if (code)
                        return code;
                if (last) {
                        *end = last;
                        return ABI_OK;
                }
        }
        return ABI_OK;
}

/* Clusters of a table with half as many entries again, as far as a table can grow. */
static uint64_t larger_table(const struct allocator *a, uint64_t least_entries)
{
        const uint64_t most = QCOW2_MAX_REFCOUNT_TABLE_BYTES / 8;
        uint64_t entries = a->image->refcounts.table_entries;
        entries += entries / 2;
        entries = entries < most ? entries : most;
        entries = entries > least_entries ? entries : least_entries;
        return divide_up(entries * 8, a->image->header.cluster_size);
}

static enum abi_code plan_capacity(struct allocator *a, uint64_t total)
{
        struct refcounts *rc = &a->image->refcounts;
        uint64_t per_block = 1ull << rc->block_bits;
        /* Blocks and a table for `total` clusters are a small fraction of it; the table
         * that is there is not, where clusters are small. */
        uint64_t table = larger_table(a, 0);
        uint64_t clusters = a->next + total + total / 16 + table + table / 16 + 64;
        uint64_t entries = clusters / per_block + 8;
        rc->planned = arena_alloc(entries * sizeof *rc->planned);
        rc->planned_entries = entries;
        if (!rc->planned)
                return ABI_TOO_LARGE;
        if (!a->image->block_device)
                return ABI_OK;
        a->taken = arena_alloc((total + entries + 16) * sizeof *a->taken);
        return a->taken ? ABI_OK : ABI_TOO_LARGE;
}

enum abi_code allocator_begin(struct image *image, uint64_t total, struct allocator *a)
{
        memset(a, 0, sizeof *a);
        a->image = image;
        a->next = end_of_file(image);
        a->limit = (uint64_t)INT64_MAX >> image->header.cluster_bits;
        if (image->block_device) {
                a->limit = image->file_size >> image->header.cluster_bits;
                enum abi_code code = find_device_end(image, &a->next);
                if (code)
                        return code;
        }
        return plan_capacity(a, total);
}

/* ---- holes inside the file ------------------------------------------------- */

static void add_hole(struct allocator *a, uint64_t cluster)
{
        struct extent *last = a->hole_count ? &a->holes[a->hole_count - 1] : NULL;
        if (last && last->first + last->count == cluster)
                last->count++;
        else
                a->holes[a->hole_count++] = (struct extent){cluster, 1};
}

/* Of the candidates, keep those that the host calls holes; they fit one doorbell. */
static uint32_t query_holes(const struct allocator *a, uint64_t *clusters, uint32_t count)
{
        uint32_t holes = 0;
        uint64_t size = a->image->header.cluster_size;
        struct abi_request *answers[ALLOCATOR_MAX_HOLES];
        doorbell_ring();
        for (uint32_t i = 0; i < count; i++) {
                answers[i] = doorbell_add(ABI_QUERY_HOLE, 0);
                answers[i]->offset = clusters[i] * size;
                answers[i]->length = size;
        }
        doorbell_ring();
        for (uint32_t i = 0; i < count; i++) {
                if (answers[i]->value == 1)
                        clusters[holes++] = clusters[i];
        }
        return holes;
}

/* An L1 table of zeros may well be a hole: where its refcount is wrong, it is none that
 * may be taken. */
static enum abi_code add_holes(struct allocator *a, uint64_t *clusters, uint32_t count)
{
        enum abi_code code = image_leave_out_named(a->image, clusters, &count);
        for (uint32_t i = 0; i < count && !code; i++)
                add_hole(a, clusters[i]);
        return code;
}

static enum abi_code find_holes(struct allocator *a)
{
        struct refcounts *rc = &a->image->refcounts;
        uint64_t end = a->image->file_size >> a->image->header.cluster_bits;
        uint64_t start = window_start(end);
        uint64_t candidates[ALLOCATOR_MAX_HOLES];
        uint32_t count = 0;
        a->looked_for_holes = true;
        if (a->image->block_device || end <= start)
                return ABI_OK;
        enum abi_code code = refcounts_want(rc, start, end - start);
        if (code)
                return code;
        refcounts_load(rc);
        for (uint64_t c = end; c-- > start && count < ALLOCATOR_MAX_HOLES;) {
                uint64_t block;
                uint16_t value;
                if ((code = refcounts_block(rc, c >> rc->block_bits, &block)) ||
                    (code = refcount_get(rc, c, &value)))
                        return code;
                if (block && !value)
                        candidates[count++] = c;
        }
        for (uint32_t i = 0; i < count / 2; i++) { /* ascending */
                uint64_t swap = candidates[i];
                candidates[i] = candidates[count - 1 - i];
                candidates[count - 1 - i] = swap;
        }
        return count ? add_holes(a, candidates, query_holes(a, candidates, count))
                     : ABI_OK;
}

/* Take up to `most`, at least `least` clusters of a hole; false if there is none. */
static bool take_hole(struct allocator *a, uint64_t least, uint64_t most,
                      struct extent *extent)
{
        for (uint32_t i = 0; i < a->hole_count; i++) {
                struct extent *hole = &a->holes[i];
                if (hole->count < least)
                        continue;
                *extent =
                    (struct extent){hole->first, hole->count < most ? hole->count : most};
                hole->first += extent->count;
                hole->count -= extent->count;
                return true;
        }
        return false;
}

/* ---- the end of the file ----------------------------------------------------- */

/* A cluster behind the end must be free: otherwise the file was cut. */
static enum abi_code check_free(struct allocator *a, uint64_t first, uint64_t count)
{
        struct refcounts *rc = &a->image->refcounts;
        enum abi_code code = refcounts_want(rc, first, count);
        if (code)
                return code;
        refcounts_load(rc);
        for (uint64_t c = first; c < first + count; c++) {
                uint16_t value;
                if ((code = refcount_get(rc, c, &value)))
                        return code;
                if (value)
                        return fail(ABI_BAD_REFCOUNTS, c * a->image->header.cluster_size,
                                    value, ABI_REFCOUNT_TAIL, 0);
        }
        return ABI_OK;
}

static void note_taken(struct allocator *a, uint64_t first, uint64_t count)
{
        if (a->taken)
                a->taken[a->taken_count++] = (struct extent){first, count};
}

/* Cluster `next` becomes refcount block `index`. */
static enum abi_code plan_block(struct allocator *a, uint64_t index)
{
        struct refcounts *rc = &a->image->refcounts;
        enum abi_code code = check_free(a, a->next, 1);
        if (code)
                return code;
        if (index >= rc->planned_entries)
                return ABI_OVERFLOW;
        note_taken(a, a->next, 1);
        rc->planned[index] = a->next * a->image->header.cluster_size;
        a->planned_blocks++;
        a->table_full = a->table_full || index >= rc->table_entries;
        a->growth_end = ++a->next;
        return ABI_OK;
}

/* Plan the first block that [next, next + count) lacks; *complete if none. */
static enum abi_code cover(struct allocator *a, uint64_t count, bool *complete)
{
        struct refcounts *rc = &a->image->refcounts;
        uint64_t last = (a->next + count - 1) >> rc->block_bits;
        *complete = false;
        for (uint64_t i = a->next >> rc->block_bits; i <= last; i++) {
                uint64_t block;
                enum abi_code code = refcounts_block(rc, i, &block);
                if (code)
                        return code;
                if (!block)
                        return plan_block(a, i);
        }
        *complete = true;
        return ABI_OK;
}

static enum abi_code allocate_at_end(struct allocator *a, uint64_t count,
                                     struct extent *extent)
{
        bool complete = false;
        while (!complete) {
                if (count > a->limit || a->next > a->limit - count)
                        return ABI_NO_SPACE;
                enum abi_code code = cover(a, count, &complete);
                if (code)
                        return code;
        }
        enum abi_code code = check_free(a, a->next, count);
        if (code)
                return code;
        note_taken(a, a->next, count);
        *extent = (struct extent){a->next, count};
        a->next += count;
        return ABI_OK;
}

enum abi_code allocate_run(struct allocator *a, uint64_t count, struct extent *extent)
{
        if (!a->looked_for_holes) {
                enum abi_code code = find_holes(a);
                if (code)
                        return code;
        }
        if (take_hole(a, count, count, extent))
                return ABI_OK;
        return allocate_at_end(a, count, extent);
}

enum abi_code allocate_some(struct allocator *a, uint64_t count, struct extent *extent)
{
        if (!a->looked_for_holes) {
                enum abi_code code = find_holes(a);
                if (code)
                        return code;
        }
        if (take_hole(a, 1, count, extent))
                return ABI_OK;
        /* Never across a block that would have to be planned first. */
        uint64_t per_block = 1ull << a->image->refcounts.block_bits;
        uint64_t left = per_block - a->next % per_block;
        uint64_t block;
        enum abi_code code = refcounts_block(
            &a->image->refcounts, a->next >> a->image->refcounts.block_bits, &block);
        if (code)
                return code;
        if (!block && left > 1)
                left--; /* the block itself takes the first */
        return allocate_at_end(a, count < left ? count : left, extent);
}

/* How many entries a table needs to name the last block that is planned. */
static uint64_t planned_end(const struct refcounts *rc)
{
        uint64_t last = rc->planned_entries;
        while (last && !rc->planned[last - 1])
                last--;
        return last;
}

enum abi_code allocator_finish(struct allocator *a)
{
        struct refcounts *rc = &a->image->refcounts;
        if (!a->table_full)
                return ABI_OK;
        /* The table's own clusters may need blocks, too: far fewer than one in 1024. */
        uint64_t needed = planned_end(rc);
        uint64_t clusters = larger_table(a, needed + needed / 1024 + 2);
        if (clusters * a->image->header.cluster_size > QCOW2_MAX_REFCOUNT_TABLE_BYTES)
                return ABI_TOO_LARGE;
        enum abi_code code = allocate_at_end(a, clusters, &a->new_table);
        if (!code && planned_end(rc) * 8 > clusters * a->image->header.cluster_size)
                code = ABI_OVERFLOW;
        if (!code)
                a->growth_end = a->next;
        return code;
}
