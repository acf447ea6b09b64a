/* SPDX-License-Identifier: MIT */
/*
 * Refcounts become what was counted.  Where they lie in blocks that can be relied on they
 * are changed there; otherwise table and blocks are built anew, and the header's fields
 * publish them.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/qcow2/refcount_bits.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

#define REFTABLE_OFFSET 0xfffffffffffffe00ull

/* ---- can the structure be relied on? --------------------------------------------------
 */

static bool is_own(const struct check *c, uint64_t offset)
{
        return check_references(c, offset >> c->image.header.cluster_bits) == 1;
}

/* Each block is aligned, inside the file, and nothing else. */
static bool blocks_are_sound(const struct check *c)
{
        for (uint64_t i = 0; i < c->refcount_entries; i++) {
                uint64_t entry = load_be64(&c->refcount_table[i]);
                if (entry &&
                    (entry & ~REFTABLE_OFFSET || entry % c->image.header.cluster_size ||
                     entry >> c->image.header.cluster_bits >= c->clusters ||
                     !is_own(c, entry)))
                        return false;
        }
        return true;
}

static bool table_is_sound(const struct check *c)
{
        const struct header *h = &c->image.header;
        for (uint64_t i = 0; i < h->refcount_table_clusters; i++)
                if (!is_own(c, h->refcount_table_offset + i * h->cluster_size))
                        return false;
        return true;
}

static uint64_t refcount_on_disk(struct check *c, uint64_t cluster)
{
        uint64_t refcount;
        return check_refcount(c, cluster, &refcount) ? refcount : 0;
}

static bool has_block(const struct check *c, uint64_t cluster)
{
        uint64_t index = cluster >> c->block_bits;
        return index < c->refcount_entries && c->refcount_table[index];
}

static uint64_t most_references(const struct check *c)
{
        uint64_t most = 0;
        for (uint64_t i = 0; i < c->clusters; i++) {
                uint64_t references = check_references(c, i);
                most = references > most ? references : most;
        }
        return most;
}

/* The width on disk can tell them all. */
static bool all_fit(const struct check *c)
{
        uint32_t order = c->image.header.refcount_order;
        return order >= 5 || !(most_references(c) >> (1u << order));
}

/* A device may end inside a block: what that would count behind its end has no place. */
static bool has_place(const struct repair *r, const struct check *c, uint64_t cluster)
{
        uint64_t block = load_be64(&c->refcount_table[cluster >> c->block_bits]);
        uint64_t in_block = cluster & ((1ull << c->block_bits) - 1);
        uint64_t at = refcount_byte(c->image.header.refcount_order, in_block);
        return !(r->call->flags & ABI_CALL_BLOCK_DEVICE) ||
               range_inside(block, at + 8, r->call->file_size);
}

/* A cluster that is in use needs a block that counts it. */
static bool all_are_counted(const struct repair *r, struct check *c)
{
        uint64_t end = r->next_cluster > c->clusters ? r->next_cluster : c->clusters;
        for (uint64_t i = 0; i < end; i++)
                if (check_references(c, i) && !(has_block(c, i) && has_place(r, c, i)))
                        return false;
        return true;
}

/* ---- in place
 * --------------------------------------------------------------------------- */

struct totals {
        uint64_t leaks;
        uint64_t too_low;
};

/* What one refcount says on its way; what becomes free waits for the switch. */
static void set_refcount(const struct repair *r, uint32_t order, uint32_t i,
                         uint64_t references, uint8_t words[3][8])
{
        uint64_t refcount = refcount_load(order, words[2], i);
        refcount_store(order, words[2], i, references);
        if (refcount < references)
                refcount_store(order, words[0], i, references);
        if (refcount < references || (references && !r->drops_late))
                refcount_store(order, words[1], i, references);
}

/* The word that counts `first` and its neighbours. */
static enum abi_code set_word(struct repair *r, struct check *c, uint64_t first,
                              uint32_t count, bool lower_only, struct totals *totals)
{
        uint32_t order = c->image.header.refcount_order;
        uint64_t index = first >> c->block_bits;
        uint64_t in_block = first & ((1ull << c->block_bits) - 1);
        uint64_t offset =
            load_be64(&c->refcount_table[index]) + refcount_byte(order, in_block);
        uint8_t old[8];
        uint8_t words[3][8]; /* first, between, now */
        if (!check_refcount_word(c, first, old))
                return ABI_OK;
        for (int i = 0; i < 3; i++)
                memcpy(words[i], old, sizeof old);
        for (uint32_t i = 0; i < count; i++) {
                uint64_t refcount = refcount_load(order, old, i);
                uint64_t references = check_references(c, first + i);
                if (refcount == references || (refcount < references && lower_only))
                        continue;
                set_refcount(r, order, i, references, words);
                totals->too_low +=
                    refcount < references && first + i < r->role_clusters - 2;
                totals->leaks += refcount > references;
        }
        struct overlay_values values = {load_be64(words[0]), load_be64(words[1]),
                                        load_be64(words[2])};
        return overlay_put(&r->overlay, OVERLAY_REFCOUNTS, offset, load_be64(old),
                           values);
}

/* Behind the end of a file that was cut nothing is used any more; but where a refcount
 * says otherwise, no edit could make the file longer. */
static uint64_t counted_end(const struct repair *r, const struct check *c)
{
        if (r->call->flags & ABI_CALL_BLOCK_DEVICE)
                return c->clusters;
        return c->refcount_entries << c->block_bits;
}

/* Clusters that one word counts; with 64 bits it is one, else several. */
static enum abi_code set_in_place(struct repair *r, struct check *c, bool lower_only)
{
        struct totals totals = {0};
        uint32_t step = 1u << (6 - c->image.header.refcount_order);
        uint64_t end = lower_only ? c->clusters : counted_end(r, c);
        enum abi_code code = ABI_OK;
        for (uint64_t first = 0; first < end && !code; first += step) {
                bool differs = false;
                if (!has_block(c, first)) {
                        first |= (1ull << c->block_bits) - step;
                        continue;
                }
                for (uint64_t i = first; i < first + step && !differs; i++) {
                        uint64_t refcount = refcount_on_disk(c, i);
                        uint64_t references = check_references(c, i);
                        differs = refcount > references ||
                                  (refcount < references && !lower_only);
                }
                if (differs)
                        code = set_word(r, c, first, step, lower_only, &totals);
        }
        if (!code && totals.too_low)
                repair_tell(ABI_REPAIR_REFCOUNTS, totals.too_low, 0, 0);
        if (!code && totals.leaks)
                repair_tell(ABI_REPAIR_LEAKS, totals.leaks, 0, 0);
        return code;
}

enum abi_code repair_leaks(struct repair *r, struct check *c)
{
        if (!blocks_are_sound(c) || !table_is_sound(c))
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_LEAKS, 0, 0, 0);
        return set_in_place(r, c, true);
}

/* ---- anew
 * -------------------------------------------------------------------------------- */

/* Wider where a cluster has more references than the old width can tell. */
static void choose_width(struct repair *r, const struct check *c)
{
        uint64_t most = most_references(c);
        while (r->refcount_order < 5 && most >> (1u << r->refcount_order))
                r->refcount_order++;
}

struct structure {
        uint64_t blocks;
        uint64_t table_clusters;
        uint64_t first; /* cluster */
        uint64_t end;
        uint32_t block_bits;
};

/* Table and blocks count themselves. */
static struct structure measure(const struct repair *r, const struct check *c)
{
        uint64_t used = r->next_cluster > c->clusters ? r->next_cluster : c->clusters;
        struct structure s = {.first = r->next_cluster,
                              .block_bits =
                                  c->image.header.cluster_bits + 3 - r->refcount_order};
        s.end = used;
        for (;;) {
                uint64_t blocks = divide_up(s.end, 1ull << s.block_bits);
                uint64_t table = divide_up(blocks * 8, c->image.header.cluster_size);
                uint64_t end = s.first + blocks + table;
                end = end > used ? end : used;
                if (blocks == s.blocks && table == s.table_clusters && end == s.end)
                        return s;
                s.blocks = blocks;
                s.table_clusters = table;
                s.end = end;
        }
}

static void forget(struct check *c, uint64_t offset)
{
        uint64_t cluster = offset >> c->image.header.cluster_bits;
        if (check_references(c, cluster) && c->wide)
                ((uint32_t *)(void *)c->references)[cluster]--;
        else if (check_references(c, cluster))
                c->references[cluster]--;
}

/* Nothing refers to the old structure any more: as it was counted (check_refcount_blocks)
 * it is taken back. */
static void forget_old(struct repair *r, struct check *c)
{
        const struct header *h = &c->image.header;
        for (uint64_t i = 0; i < h->refcount_table_clusters; i++)
                forget(c, h->refcount_table_offset + i * h->cluster_size);
        for (uint64_t i = 0; i < c->refcount_entries; i++) {
                uint64_t entry = load_be64(&c->refcount_table[i]);
                if (entry >> h->cluster_bits >= c->clusters)
                        r->named_beyond = true;
                if (entry && !(entry & ~REFTABLE_OFFSET) && !(entry % h->cluster_size) &&
                    entry >> h->cluster_bits < c->clusters)
                        forget(c, entry);
        }
}

static enum abi_code fill(struct repair *r, const struct check *c,
                          const struct structure *s, uint8_t *bytes)
{
        uint64_t size = c->image.header.cluster_size;
        uint64_t per_block = 1ull << s->block_bits;
        uint64_t own = s->first + s->table_clusters + s->blocks;
        uint8_t *blocks = bytes + s->table_clusters * size;
        for (uint64_t i = 0; i < s->blocks; i++)
                store_be64(bytes + i * 8, (s->first + s->table_clusters + i) * size);
        for (uint64_t i = 0; i < s->end; i++) {
                bool is_new = i >= s->first && i < own;
                uint64_t references = is_new ? 1 : check_references(c, i);
                if (references)
                        refcount_store(r->refcount_order, blocks + i / per_block * size,
                                       i % per_block, references);
        }
        return ABI_OK;
}

static enum abi_code build(struct repair *r, struct check *c)
{
        forget_old(r, c);
        choose_width(r, c);
        if (r->refcount_order != c->image.header.refcount_order && r->h.version < 3)
                return ABI_OVERFLOW;
        struct structure s = measure(r, c);
        uint8_t *fields = r->header.now + QCOW2_REFCOUNT_TABLE_FIELDS;
        uint8_t *bytes;
        uint64_t offset = repair_allocate(r, s.table_clusters + s.blocks, &bytes);
        if (!offset)
                return ABI_TOO_LARGE;
        store_be64(fields, offset);
        store_be32(fields + 8, (uint32_t)s.table_clusters);
        if (r->h.version >= 3)
                store_be32(r->header.now + QCOW2_REFCOUNT_ORDER_FIELD, r->refcount_order);
        repair_tell(ABI_REPAIR_REBUILT, offset, s.table_clusters + s.blocks, 0);
        r->rebuild = true;
        enum abi_code code = fill(r, c, &s, bytes);
        return code ? code : repair_header_done(r);
}

enum abi_code repair_refcounts(struct repair *r, struct check *c)
{
        if (r->rebuild || !blocks_are_sound(c) || !table_is_sound(c) ||
            !all_are_counted(r, c) || !all_fit(c))
                return build(r, c);
        return set_in_place(r, c, false);
}
