/* SPDX-License-Identifier: MIT */
/*
 * The transaction.  Steps: 1 zeroes fresh clusters of a block device, 2 clears unknown
 * autoclear bits, 3 is the build, 4 the switch, 5 and 6 the release.
 */
#include <string.h>

#include "guest/ops/resize_state.h"
#include "guest/qcow2/header_patch.h"
#include "guest/qcow2/scrub.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/transaction.h"

enum { STEP_SCRUB = 1, STEP_AUTOCLEAR, STEP_BUILD, STEP_SWITCH, STEP_RELEASE };

/* Tables of zeros go out in parts: the host keeps note of what waits. */
#define PART (8u << 20)

static uint64_t final_size(const struct resize *r, uint64_t file_size)
{
        const struct image *image = r->image;
        uint64_t end = r->allocator.next * image->header.cluster_size;
        if (image->block_device || end <= image->file_end)
                return file_size;
        return end > file_size ? end : file_size;
}

/* What was read and is going to be replaced. */
static enum abi_code assert_seen(const struct resize *r)
{
        const struct header *h = &r->image->header;
        uint64_t offset;
        header_assert(r->image);
        if (!r->moves)
                return ABI_OK;
        transaction_assert(h->l1_offset, r->old_l1, (uint64_t)h->l1_size * 8);
        if (!r->old_l2)
                return ABI_OK;
        enum abi_code code = resize_table_offset(r, r->boundary, &offset);
        if (!code)
                transaction_assert(offset, r->old_l2, h->cluster_size);
        return code;
}

static void claim_extent(const struct resize *r, const struct extent *extent)
{
        uint64_t size = r->image->header.cluster_size;
        transaction_claim(extent->first * size, extent->count * size);
}

/* ---- build
 * ------------------------------------------------------------------------------ */

static enum abi_code emit_refcounts(struct resize *r)
{
        struct refcounts *rc = &r->image->refcounts;
        enum abi_code code = refcount_set(rc, r->l1_extent.first, r->l1_extent.count, 1);
        if (!code)
                code = refcount_set(rc, r->l2_extent.first, r->l2_extent.count, 1);
        if (!code)
                code = refcount_set(rc, r->zero_extent.first, r->zero_extent.count, 1);
        return code ? code : sectors_emit(&rc->sectors, STEP_BUILD);
}

/* Fresh clusters are zeros: what lies behind the last entry need not be written. */
static void emit_l1(const struct resize *r)
{
        uint64_t end = r->new_l1_size;
        while (end && !load_be64(r->new_l1 + (end - 1) * 8))
                end--;
        if (end)
                transaction_fresh(STEP_BUILD,
                                  r->l1_extent.first << r->image->header.cluster_bits,
                                  r->new_l1, divide_up(end * 8, ABI_SECTOR) * ABI_SECTOR);
}

/* An L2 table whose first `count` entries say zeros. */
static uint8_t *zero_table(const struct resize *r, uint64_t count)
{
        uint8_t *table = arena_alloc(r->image->header.cluster_size);
        if (table)
                resize_store_zeros(r, table, 0, count);
        return table;
}

/* All alike but the last, which the disk's end may cut. */
static enum abi_code emit_zero_tables(const struct resize *r)
{
        uint64_t size = r->image->header.cluster_size;
        uint64_t last = r->zero_tables - 1;
        uint64_t waiting = 0;
        if (!r->zero_tables)
                return ABI_OK;
        uint8_t *full = zero_table(r, r->per_table);
        uint8_t *rest =
            zero_table(r, r->zero_end - (r->zero_first + last) * r->per_table);
        if (!full || !rest)
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i <= last; i++) {
                transaction_fresh(STEP_BUILD, (r->zero_extent.first + i) * size,
                                  i == last ? rest : full, size);
                waiting += size;
                if (waiting >= PART && i != last) {
                        transaction_apply(STEP_BUILD, ABI_APPLY_PART);
                        waiting = 0;
                }
        }
        return ABI_OK;
}

static enum abi_code emit_build(struct resize *r)
{
        uint64_t size = r->image->header.cluster_size;
        claim_extent(r, &r->l1_extent);
        claim_extent(r, &r->l2_extent);
        claim_extent(r, &r->zero_extent);
        enum abi_code code = scrub_emit(&r->allocator, STEP_SCRUB);
        if (!code)
                code = header_clear_autoclear(r->image, STEP_AUTOCLEAR);
        if (code || !r->moves || (code = emit_refcounts(r)))
                return code;
        emit_l1(r);
        if (r->new_l2)
                transaction_fresh(STEP_BUILD, r->l2_extent.first * size, r->new_l2, size);
        return emit_zero_tables(r);
}

/* ---- switch
 * ------------------------------------------------------------------------------ */

/* "Header": size, crypt_method, l1_size, l1_table_offset lie side by side. */
static enum abi_code emit_switch(struct resize *r)
{
        const struct header *h = &r->image->header;
        uint8_t fields[24];
        store_be64(fields, r->new_size);
        store_be32(fields + 8, h->crypt_method);
        store_be32(fields + 12, (uint32_t)r->new_l1_size);
        store_be64(fields + 16, r->l1_extent.first << h->cluster_bits);
        return header_patch(r->image, STEP_SWITCH, ABI_CHANGE_SWITCH, QCOW2_SIZE_FIELD,
                            fields, r->moves ? sizeof fields : 8);
}

enum abi_code resize_emit(struct resize *r)
{
        uint64_t file_size = r->image->file_size;
        enum abi_code code = growth_emit(&r->growth, &file_size);
        if (code)
                return code;
        uint64_t final = final_size(r, file_size);
        transaction_begin(file_size, final, 0);
        if ((code = assert_seen(r)) || (code = emit_build(r)) || (code = emit_switch(r)))
                return code;
        if (r->moves)
                transaction_apply(STEP_BUILD, 0);
        transaction_apply(STEP_SWITCH, 0);
        if (!r->release.ownership)
                return ABI_OK;
        return release_emit(&r->release, STEP_RELEASE, final);
}
