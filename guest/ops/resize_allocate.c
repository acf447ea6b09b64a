/* SPDX-License-Identifier: MIT */
/* What goes is proved, what is new gets a place: the last stages that can refuse. */
#include "guest/ops/resize_state.h"
#include "guest/qcow2/scrub.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"

/* ---- the proof ------------------------------------------------------------------------
 */

/* Sort the references to compressed data, and count those to the same cluster. */
static void count_references(struct range_list *list)
{
        uint64_t kept = 0;
        range_list_sort(list);
        for (uint64_t i = 0; i < list->count; i++) {
                struct cluster_range *last = kept ? &list->ranges[kept - 1] : NULL;
                if (last && last->first == list->ranges[i].first)
                        last->count++;
                else
                        list->ranges[kept++] = list->ranges[i];
        }
        list->count = kept;
}

enum abi_code resize_prove(struct resize *r)
{
        struct resize_dropped *d = &r->dropped;
        if (!r->moves)
                return ABI_OK;
        count_references(&d->compressed);
        enum abi_code code =
            release_begin(r->image, d->runs.count + d->compressed.count, 0, &r->release);
        for (uint64_t i = 0; i < d->runs.count && !code; i++)
                code = release_claim(&r->release, d->runs.ranges[i].first,
                                     d->runs.ranges[i].count);
        for (uint64_t i = 0; i < d->compressed.count && !code; i++)
                code = release_claim(&r->release, d->compressed.ranges[i].first, 1);
        if (code)
                return code;
        r->planned = (struct planned_mapping){
            .l1 = r->new_l1,
            .l1_entries = r->new_l1_size,
            .l2 = r->new_l2,
            .l2_bytes = r->image->header.cluster_size,
        };
        r->release.planned = &r->planned;
        r->release.shared = d->compressed;
        code = release_prove(&r->release, RELEASE_NO_BITMAP,
                             !(r->call->flags & ABI_CALL_NO_OWNERSHIP_SCAN));
        return code ? code : release_settle(&r->release, NULL, 0);
}

/* ---- fresh clusters
 * -------------------------------------------------------------------- */

static enum abi_code allocate_clusters(struct resize *r)
{
        uint64_t size = r->image->header.cluster_size;
        struct allocator *a = &r->allocator;
        uint64_t l1_clusters = divide_up(r->new_l1_size * 8, size);
        enum abi_code code =
            allocator_begin(r->image, l1_clusters + 1 + r->zero_tables, a);
        if (!code)
                code = allocate_run(a, l1_clusters, &r->l1_extent);
        if (!code && r->new_l2)
                code = allocate_run(a, 1, &r->l2_extent);
        if (!code && r->zero_tables)
                code = allocate_run(a, r->zero_tables, &r->zero_extent);
        if (!code)
                code = allocator_finish(a);
        return code ? code : scrub_prepare(a);
}

/* A new table has refcount 1, which the flag says. */
static void store_table(struct resize *r, uint64_t index, uint64_t cluster)
{
        store_be64(r->new_l1 + index * 8,
                   (cluster << r->image->header.cluster_bits) | QCOW2_COPIED);
}

static void complete_l1(struct resize *r)
{
        if (r->new_l2)
                store_table(r, r->boundary, r->l2_extent.first);
        for (uint64_t i = 0; i < r->zero_tables; i++)
                store_table(r, r->zero_first + i, r->zero_extent.first + i);
}

static enum abi_code check_in_place(struct resize *r)
{
        enum abi_code code = image_counts_in_place(r->image, &r->l1_extent);
        if (!code)
                code = image_counts_in_place(r->image, &r->l2_extent);
        if (!code)
                code = image_counts_in_place(r->image, &r->zero_extent);
        return code;
}

/* The emission copies the sectors of refcounts that it changes, for the growth, for the
 * build and for the release. */
static enum abi_code check_memory(const struct resize *r)
{
        const struct sectors *known = &r->image->refcounts.sectors;
        uint64_t clusters = r->l1_extent.count + r->l2_extent.count +
                            r->zero_extent.count + r->allocator.planned_blocks;
        uint64_t sectors =
            clusters / (ABI_SECTOR / 2) + 2 * r->allocator.planned_blocks + 64;
        uint64_t needed = 3 * sectors_emit_cost(known) +
                          sectors * (4 * sizeof(struct sector)) +
                          2 * r->image->header.cluster_size + (256u << 10);
        return arena_left() < needed ? ABI_TOO_LARGE : ABI_OK;
}

enum abi_code resize_allocate(struct resize *r)
{
        bool scan = !(r->call->flags & ABI_CALL_NO_OWNERSHIP_SCAN);
        r->allocator.image = r->image;
        if (!r->moves)
                return growth_prepare(&r->allocator, scan, &r->growth);
        enum abi_code code = allocate_clusters(r);
        if (code)
                return code;
        complete_l1(r);
        if ((code = check_in_place(r)) ||
            (code = growth_prepare(&r->allocator, scan, &r->growth)))
                return code;
        return check_memory(r);
}
