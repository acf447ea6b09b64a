/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/growth.h"

#include <string.h>

#include "guest/qcow2/header_patch.h"
#include "guest/qcow2/ownership.h"
#include "guest/qcow2/scrub.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/transaction.h"

#define ENTRIES_PER_SECTOR (ABI_SECTOR / 8)

enum { STEP_SCRUB = 1, STEP_AUTOCLEAR, STEP_BUILD, STEP_SWITCH, STEP_LOWER, STEP_PUNCH };

bool growth_needed(const struct growth *growth)
{
        return growth->allocator->planned_blocks != 0;
}

/* The block that counts `cluster` is new, or may be written in place. */
static enum abi_code check_counted_in_place(struct allocator *a, uint64_t cluster)
{
        struct refcounts *rc = &a->image->refcounts;
        uint64_t index = cluster >> rc->block_bits;
        bool allowed = true;
        enum abi_code code = ABI_OK;
        if (index >= rc->planned_entries || !rc->planned[index])
                code = image_block_in_place(a->image, index, &allowed);
        if (code || allowed)
                return code;
        return image_block_refused(a->image, cluster);
}

/* Refcount blocks of the old table that the growth raises refcounts in, and the
 * table's own sectors, are written in place. */
static enum abi_code check_in_place(struct allocator *a)
{
        struct refcounts *rc = &a->image->refcounts;
        uint32_t bits = a->image->header.cluster_bits;
        enum abi_code code = ABI_OK;
        for (uint64_t i = 0; i < rc->planned_entries && !code; i++)
                if (rc->planned[i])
                        code = check_counted_in_place(a, rc->planned[i] >> bits);
        for (uint64_t i = 0; i < a->new_table.count && !code; i++)
                code = check_counted_in_place(a, a->new_table.first + i);
        return code;
}

/* The table is the one structure that image_in_place() always refuses. */
static enum abi_code check_table_in_place(struct image *image)
{
        const struct header *h = &image->header;
        uint64_t first = h->refcount_table_offset >> h->cluster_bits;
        uint64_t bytes = h->refcount_table_clusters * h->cluster_size;
        bool clear =
            !ranges_overlap(h->refcount_table_offset, bytes, h->l1_offset,
                            (uint64_t)h->l1_size * 8) &&
            !refcounts_overlap(&image->refcounts, h->refcount_table_offset, bytes);
        for (uint64_t i = 0; i < h->refcount_table_clusters && clear; i++) {
                uint16_t value;
                enum abi_code code = refcount_get(&image->refcounts, first + i, &value);
                if (code)
                        return code;
                clear = value == 1;
        }
        return clear ? ABI_OK
                     : fail(ABI_BAD_REFCOUNTS, h->refcount_table_offset, 0,
                            ABI_REFCOUNT_OVERLAP, 0);
}

/* What the ownership's own walk does not see: bitmaps, and blocks, because it is told
 * of no refcount table. */
static void contest_others(struct image *image, struct ownership *ownership)
{
        const struct refcounts *rc = &image->refcounts;
        const struct directory *directory = &image->directory;
        struct directory_entry entry;
        for (uint64_t i = 0; i < rc->entries_read; i++)
                ownership_contest(ownership,
                                  (struct foreign_range){load_be64(&rc->table[i]),
                                                         image->header.cluster_size});
        if (directory->bytes)
                ownership_contest(ownership, (struct foreign_range){directory->offset,
                                                                    directory->capacity});
        for (uint64_t position = 0; directory_entry_at(directory, position, &entry);
             position += entry.length)
                ownership_contest_table(ownership, entry.table_offset,
                                        entry.table_entries);
}

/* The old table's clusters are the growth's to free if nothing else names them. */
static enum abi_code prove_old_table(struct growth *growth, bool scan_l2)
{
        struct image *image = growth->allocator->image;
        struct header without_table = image->header;
        uint64_t first =
            image->header.refcount_table_offset >> image->header.cluster_bits;
        uint64_t count = image->header.refcount_table_clusters;
        struct ownership *ownership;
        bool provable;
        without_table.refcount_table_clusters = 0;
        enum abi_code code =
            ownership_begin(&without_table, image->file_size, &ownership);
        if (code || (code = ownership_claim(ownership, first, count)) ||
            (code = ownership_seal(ownership)))
                return code;
        contest_others(image, ownership);
        if ((code = ownership_prove(ownership, scan_l2, &provable)))
                return code;
        growth->release_table = provable;
        for (uint64_t c = first; c < first + count; c++)
                growth->release_table =
                    growth->release_table && ownership_holds(ownership, c);
        growth->leaked = growth->release_table ? 0 : count;
        return ABI_OK;
}

/* The new table's content: the old entries and the planned ones. */
static enum abi_code build_table(struct growth *growth)
{
        struct allocator *a = growth->allocator;
        struct refcounts *rc = &a->image->refcounts;
        growth->new_table_bytes = a->new_table.count * a->image->header.cluster_size;
        growth->new_table = arena_alloc(growth->new_table_bytes);
        if (!growth->new_table)
                return ABI_TOO_LARGE;
        refcounts_read_table(rc, rc->table_entries - 1);
        memcpy(growth->new_table, rc->table, rc->table_entries * 8);
        for (uint64_t i = 0; i < rc->planned_entries; i++)
                if (rc->planned[i])
                        store_be64(growth->new_table + i * 8, rc->planned[i]);
        return ABI_OK;
}

enum abi_code growth_prepare(struct allocator *a, bool scan_l2, struct growth *growth)
{
        memset(growth, 0, sizeof *growth);
        growth->allocator = a;
        if (!a->planned_blocks)
                return ABI_OK;
        enum abi_code code = check_in_place(a);
        if (!code)
                code = check_table_in_place(a->image);
        if (!code && a->new_table.count)
                code = build_table(growth);
        if (!code && a->new_table.count)
                code = prove_old_table(growth, scan_l2);
        return code;
}

/* The new table, if there is one, and the planned blocks [first, first + count): see
 * transaction_claim(). */
static void claim_clusters(const struct growth *growth, uint64_t first, uint64_t count)
{
        const struct image *image = growth->allocator->image;
        uint64_t size = image->header.cluster_size;
        if (growth->new_table)
                transaction_claim(growth->allocator->new_table.first * size,
                                  growth->allocator->new_table.count * size);
        for (uint64_t i = first; i < first + count; i++)
                if (image->refcounts.planned[i])
                        transaction_claim(image->refcounts.planned[i], size);
}

/* Common to both kinds: unknown autoclear bits are cleared, the build is declared. */
static enum abi_code emit_build(struct growth *growth, uint64_t old_size,
                                uint64_t final_size, uint64_t first, uint64_t count)
{
        struct image *image = growth->allocator->image;
        transaction_begin(old_size, final_size, ABI_BEGIN_PREPARES);
        header_assert(image);
        claim_clusters(growth, first, count); /* the scrub applies already */
        enum abi_code code = scrub_emit(growth->allocator, STEP_SCRUB);
        if (!code)
                code = header_clear_autoclear(image, STEP_AUTOCLEAR);
        if (code)
                return code;
        if ((code = sectors_emit(&image->refcounts.sectors, STEP_BUILD)))
                return code;
        if (growth->new_table)
                transaction_fresh(STEP_BUILD,
                                  growth->allocator->new_table.first *
                                      image->header.cluster_size,
                                  growth->new_table, growth->new_table_bytes);
        return ABI_OK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* One transaction for the planned blocks [first, first + count) of the table. */
static enum abi_code emit_blocks(struct growth *growth, uint64_t first, uint64_t count,
                                 uint64_t *file_size)
{
        struct image *image = growth->allocator->image;
        struct refcounts *rc = &image->refcounts;
        uint64_t size = image->header.cluster_size;
        uint64_t end = 0;
        for (uint64_t i = first; i < first + count; i++) {
                if (!rc->planned[i])
                        continue;
                end = larger(end, rc->planned[i] + size);
                enum abi_code code =
                    refcount_set(rc, rc->planned[i] >> image->header.cluster_bits, 1, 1);
                if (code)
                        return code;
        }
        if (!end)
                return ABI_OK;
        uint64_t final_size = larger(*file_size, end);
        enum abi_code code = emit_build(growth, *file_size, final_size, first, count);
        if (code)
                return code;
        *file_size = final_size;
        uint8_t *entries = arena_alloc(count * 8);
        if (!entries)
                return ABI_TOO_LARGE;
        memcpy(entries, rc->table + first, count * 8);
        for (uint64_t i = 0; i < count; i++)
                if (rc->planned[first + i])
                        store_be64(entries + i * 8, rc->planned[first + i]);
        transaction_write(STEP_SWITCH, ABI_CHANGE_SWITCH,
                          image->header.refcount_table_offset + first * 8,
                          rc->table + first, entries, count * 8);
        memcpy(rc->table + first, entries, count * 8);
        transaction_apply(STEP_BUILD, 0);
        transaction_apply(STEP_SWITCH, 0);
        return ABI_OK;
}

static enum abi_code emit_entries(struct growth *growth, uint64_t *file_size)
{
        struct refcounts *rc = &growth->allocator->image->refcounts;
        for (uint64_t i = 0; i < rc->planned_entries; i += ENTRIES_PER_SECTOR) {
                uint64_t count = rc->table_entries - i;
                if (i >= rc->table_entries)
                        break;
                count = count < ENTRIES_PER_SECTOR ? count : ENTRIES_PER_SECTOR;
                if (count > rc->planned_entries - i)
                        count = rc->planned_entries - i;
                enum abi_code code = emit_blocks(growth, i, count, file_size);
                if (code)
                        return code;
        }
        return ABI_OK;
}

static enum abi_code emit_release(struct growth *growth, const struct header *old)
{
        struct image *image = growth->allocator->image;
        if (!growth->release_table)
                return ABI_OK;
        enum abi_code code = refcount_set(&image->refcounts,
                                          old->refcount_table_offset >> old->cluster_bits,
                                          old->refcount_table_clusters, 0);
        if (!code)
                code = sectors_emit(&image->refcounts.sectors, STEP_LOWER);
        if (code)
                return code;
        transaction_apply(STEP_LOWER, 0);
        transaction_punch(STEP_PUNCH, old->refcount_table_offset,
                          old->refcount_table_clusters * old->cluster_size);
        transaction_apply(STEP_PUNCH, 0);
        return ABI_OK;
}

static enum abi_code emit_table(struct growth *growth, uint64_t *file_size)
{
        struct allocator *a = growth->allocator;
        struct image *image = a->image;
        struct refcounts *rc = &image->refcounts;
        struct header old = image->header;
        enum abi_code code = refcount_set(rc, a->new_table.first, a->new_table.count, 1);
        for (uint64_t i = 0; i < rc->planned_entries && !code; i++)
                if (rc->planned[i])
                        code = refcount_set(rc, rc->planned[i] >> old.cluster_bits, 1, 1);
        uint64_t final_size = larger(*file_size, a->growth_end * old.cluster_size);
        if (code ||
            (code = emit_build(growth, *file_size, final_size, 0, rc->planned_entries)))
                return code;
        *file_size = final_size;
        uint8_t fields[12];
        store_be64(fields, a->new_table.first * old.cluster_size);
        store_be32(fields + 8, (uint32_t)a->new_table.count);
        code = header_patch(image, STEP_SWITCH, ABI_CHANGE_SWITCH,
                            QCOW2_REFCOUNT_TABLE_FIELDS, fields, sizeof fields);
        if (code)
                return code;
        transaction_apply(STEP_BUILD, 0);
        transaction_apply(STEP_SWITCH, 0);
        image->header.refcount_table_offset = load_be64(fields);
        image->header.refcount_table_clusters = load_be32(fields + 8);
        return emit_release(growth, &old);
}

enum abi_code growth_emit(struct growth *growth, uint64_t *file_size)
{
        if (!growth_needed(growth))
                return ABI_OK;
        return growth->new_table ? emit_table(growth, file_size)
                                 : emit_entries(growth, file_size);
}
