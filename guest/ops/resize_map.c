/* SPDX-License-Identifier: MIT */
/*
 * The mapping behind the new end (or, where a backing file might show through a growth,
 * behind the old one), and the L1 table that is to stand in the old one's place.
 *
 * What is cut off is not zeroed in place: the old disk needs it until the switch, and
 * the new one must never have had it.  So the L1 table is copied without it, and the one
 * L2 table in which the cut lies, too.
 */
#include <string.h>

#include "guest/ops/resize_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

/* Tables are read so many bytes at a time. */
#define BATCH (1u << 20)

/* L2 tables of zeros: 8 TiB of disk, where clusters have 64 KiB. */
#define MAX_ZERO_BYTES (1ull << 30)

#define FIRST_RUNS 128u

/* ---- where the cut is -------------------------------------------------------------- */

static void choose_cut(struct resize *r)
{
        const struct header *h = &r->image->header;
        uint64_t old_clusters = divide_up(r->old_size, h->cluster_size);
        uint64_t new_clusters = divide_up(r->new_size, h->cluster_size);
        r->entry_bytes = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 ? 16 : 8;
        r->per_table = h->cluster_size / r->entry_bytes;
        r->cut_first = RESIZE_NONE;
        if (r->new_size < r->old_size) {
                r->cut_first = new_clusters;
                r->zero_end = new_clusters;
        } else if (h->backing_offset && new_clusters > old_clusters) {
                r->cut_first = old_clusters;
                r->zero_end = new_clusters;
        }
}

static enum abi_code read_old_l1(struct resize *r)
{
        const struct header *h = &r->image->header;
        uint64_t bytes = (uint64_t)h->l1_size * 8;
        r->old_l1 = arena_alloc(bytes);
        if (!r->old_l1)
                return ABI_TOO_LARGE;
        read_queue(h->l1_offset, r->old_l1, bytes);
        read_flush();
        return ABI_OK;
}

/* ---- the table in which the cut lies ------------------------------------------------
 */

void resize_store_zeros(const struct resize *r, uint8_t *table, uint64_t first,
                        uint64_t end)
{
        for (uint64_t i = first; i < end; i++) {
                uint8_t *entry = table + i * r->entry_bytes;
                if (r->entry_bytes == 16) /* "Extended L2 Entries": all 32 subclusters */
                        store_be64(entry + 8, 0xffffffff00000000ull);
                else
                        store_be64(entry, QCOW2_L2_ZERO);
        }
}

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
        return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* A table that is the header's, too, would change while it is copied. */
static enum abi_code refuse_named(struct resize *r, uint64_t offset)
{
        uint64_t cluster = offset >> r->image->header.cluster_bits;
        uint32_t count = 1;
        enum abi_code code = image_leave_out_named(r->image, &cluster, &count);
        return code || count ? code : resize_refuse(ABI_RESIZE_DAMAGED, offset);
}

/* Keep a copy of what was read: the plan rests on it. */
static enum abi_code read_boundary(struct resize *r, uint64_t *offset)
{
        uint64_t size = r->image->header.cluster_size;
        *offset = 0;
        if (r->boundary < r->image->header.l1_size) {
                enum abi_code code = resize_table_offset(r, r->boundary, offset);
                if (!code && *offset)
                        code = refuse_named(r, *offset);
                if (code)
                        return code;
        }
        r->new_l2 = arena_alloc(size);
        uint8_t *old = *offset ? arena_alloc(size) : NULL;
        if (!r->new_l2 || (*offset && !old))
                return ABI_TOO_LARGE;
        if (!old)
                return ABI_OK;
        read_queue(*offset, old, size);
        read_flush();
        memcpy(r->new_l2, old, size);
        r->old_l2 = old;
        return ABI_OK;
}

/* Cut the table in two.  Its old cluster goes where the content changes. */
static enum abi_code map_boundary(struct resize *r, bool *changes)
{
        const struct header *h = &r->image->header;
        uint64_t within = r->cut_first % r->per_table;
        uint64_t first = r->cut_first - within;
        uint64_t offset;
        bool any = false;
        r->boundary = r->cut_first / r->per_table;
        if (!within)
                return ABI_OK;
        enum abi_code code = read_boundary(r, &offset);
        if (!code && r->old_l2)
                code =
                    resize_drop_entries(r, r->new_l2, offset, within, r->per_table, &any);
        if (code)
                return code;
        if (r->zero_end > r->cut_first) {
                uint64_t end = r->zero_end - first;
                resize_store_zeros(r, r->new_l2, within,
                                   end < r->per_table ? end : r->per_table);
                any = true;
        }
        *changes = any;
        if (any && r->old_l2)
                code = resize_drop_run(r, offset >> h->cluster_bits, 1);
        if (!any)
                r->old_l2 = NULL;
        if (!any || all_zero(r->new_l2, h->cluster_size))
                r->new_l2 = NULL;
        return code;
}

/* ---- the tables behind it ------------------------------------------------------------
 */

/* Read and drop the tables of L1 entries [first, first + count) together. */
static enum abi_code drop_batch(struct resize *r, uint64_t first, uint64_t count,
                                uint8_t *buffer)
{
        const struct header *h = &r->image->header;
        enum abi_code code = ABI_OK;
        for (int look = 0; look < 2 && !code; look++) {
                uint8_t *table = buffer;
                for (uint64_t i = first; i < first + count && !code; i++) {
                        uint64_t offset;
                        bool any;
                        code = resize_table_offset(r, i, &offset);
                        if (code || !offset)
                                continue;
                        if (!look)
                                read_queue(offset, table, h->cluster_size);
                        else if (!(code =
                                       resize_drop_run(r, offset >> h->cluster_bits, 1)))
                                code = resize_drop_entries(r, table, offset, 0,
                                                           r->per_table, &any);
                        table += h->cluster_size;
                }
                read_flush();
        }
        return code;
}

static enum abi_code drop_tables(struct resize *r, bool *changes)
{
        const struct header *h = &r->image->header;
        uint64_t batch = h->cluster_size < BATCH ? BATCH / h->cluster_size : 1;
        uint64_t first = divide_up(r->cut_first, r->per_table);
        enum abi_code code = ABI_OK;
        while (first < h->l1_size && !load_be64(r->old_l1 + first * 8))
                first++;
        if (first >= h->l1_size)
                return ABI_OK;
        *changes = true;
        uint8_t *buffer = arena_alloc(batch * h->cluster_size);
        if (!buffer)
                return ABI_TOO_LARGE;
        for (; first < h->l1_size && !code; first += batch) {
                uint64_t left = h->l1_size - first;
                code = drop_batch(r, first, left < batch ? left : batch, buffer);
        }
        return code;
}

/* ---- the new table --------------------------------------------------------------------
 */

/* Whole L2 tables of zeros, behind the one in which the old end lies. */
static enum abi_code plan_zero_tables(struct resize *r)
{
        r->zero_first = divide_up(r->cut_first, r->per_table);
        uint64_t end = divide_up(r->zero_end, r->per_table);
        r->zero_tables = end > r->zero_first ? end - r->zero_first : 0;
        if (r->zero_tables > MAX_ZERO_BYTES / r->image->header.cluster_size)
                return resize_refuse(ABI_RESIZE_BACKING_LARGE, 0);
        return ABI_OK;
}

/* What stays of the old table.  Entries of new tables come when those have a place. */
static enum abi_code build_l1(struct resize *r)
{
        const struct header *h = &r->image->header;
        uint64_t kept = h->l1_size;
        uint64_t bytes = divide_up(r->new_l1_size * 8, ABI_SECTOR) * ABI_SECTOR;
        if (r->cut_first != RESIZE_NONE) {
                uint64_t tables = divide_up(r->cut_first, r->per_table);
                kept = kept < tables ? kept : tables;
        }
        r->new_l1 = arena_alloc(bytes);
        if (!r->new_l1)
                return ABI_TOO_LARGE;
        memcpy(r->new_l1, r->old_l1, kept * 8);
        if (r->old_l2) /* it is replaced, or dropped */
                store_be64(r->new_l1 + r->boundary * 8, 0);
        uint64_t old = divide_up((uint64_t)h->l1_size * 8, h->cluster_size);
        return old ? resize_drop_run(r, h->l1_offset >> h->cluster_bits, old) : ABI_OK;
}

static enum abi_code map_cut(struct resize *r, bool *changes)
{
        bool of_boundary = false;
        bool of_tables = false;
        enum abi_code code = map_boundary(r, &of_boundary);
        if (code || (code = drop_tables(r, &of_tables)) || (code = plan_zero_tables(r)))
                return code;
        *changes = of_boundary || of_tables || r->zero_tables;
        /* Snapshots may refer to what would be dropped: then it is not ours to free, and
         * its entries lose no COPIED flag here. */
        if (*changes && r->image->header.snapshot_count)
                return resize_refuse(ABI_RESIZE_SNAPSHOTS, 0);
        return ABI_OK;
}

enum abi_code resize_map(struct resize *r)
{
        const struct header *h = &r->image->header;
        struct header resized = *h;
        bool cuts = false;
        enum abi_code code = ABI_OK;
        choose_cut(r);
        resized.size = r->new_size;
        r->new_l1_size = header_l1_entries(&resized);
        bool backed = r->new_size > r->old_size && h->backing_offset;
        bool larger = r->new_l1_size > h->l1_size;
        if (!larger && !backed && r->cut_first == RESIZE_NONE)
                return ABI_OK;
        if (!range_list_init(&r->dropped.runs, FIRST_RUNS) ||
            !range_list_init(&r->dropped.compressed, FIRST_RUNS))
                return ABI_TOO_LARGE;
        if ((code = read_old_l1(r)) || (backed && (code = resize_check_partial(r))))
                return code;
        if (r->cut_first != RESIZE_NONE)
                code = map_cut(r, &cuts);
        r->moves = larger || cuts;
        return code || !r->moves ? code : build_l1(r);
}
