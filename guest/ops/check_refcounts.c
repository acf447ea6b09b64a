/* SPDX-License-Identifier: MIT */
/* Counting references, and comparing them with the refcounts ("Host cluster
 * management"). */
#include <string.h>

#include "guest/ops/check_state.h"
#include "guest/qcow2/refcount_bits.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

#define REFTABLE_OFFSET   0xfffffffffffffe00ull
#define REFTABLE_RESERVED 0x1ffull

/* ---- beginning ------------------------------------------------------------------- */

static uint64_t bytes_of_counter(const struct check *c)
{
        return c->wide ? 4 : 2;
}

/* How many refcount blocks fit, with the counters of their clusters. */
static uint64_t blocks_that_fit(const struct check *c)
{
        uint64_t cluster_size = c->image.header.cluster_size;
        uint64_t each = cluster_size + (bytes_of_counter(c) << c->block_bits) + 1;
        uint64_t left = arena_left();
        uint64_t walks =
            CHECK_WALK_MEMORY +
            (cluster_size > CHECK_BATCH_BYTES ? cluster_size : CHECK_BATCH_BYTES);
        return left > walks ? (left - walks) / each : 0;
}

static enum abi_code read_table(struct check *c)
{
        const struct header *h = &c->image.header;
        uint64_t length = (uint64_t)h->refcount_table_clusters * h->cluster_size;
        c->refcount_entries = length / 8;
        c->refcount_table = arena_alloc(length);
        if (!c->refcount_table)
                return ABI_TOO_LARGE;
        read_queue(h->refcount_table_offset, c->refcount_table, length);
        read_flush();
        return ABI_OK;
}

enum abi_code check_refcounts_begin(struct check *c)
{
        const struct header *h = &c->image.header;
        uint32_t order = h->refcount_order;
        c->wide = order > 4;
        c->refcount_max = order == 6 ? UINT64_MAX : (1ull << (1u << order)) - 1;
        if (c->count_on)
                c->refcount_max = UINT64_MAX;
        c->block_bits = h->cluster_bits + 3 - order;
        c->clusters = divide_up(c->file_length, h->cluster_size);
        enum abi_code code = c->clusters > INT32_MAX ? ABI_TOO_LARGE : read_table(c);
        if (code) /* QEMU refuses so many clusters, too */
                return code;
        c->stray_index = UINT64_MAX;
        c->stray_block = arena_alloc(h->cluster_size);
        c->reach = c->clusters + 1;
        uint64_t blocks = (c->reach >> c->block_bits) + 1;
        uint64_t fit = blocks_that_fit(c);
        if (!fit || !c->stray_block)
                return ABI_TOO_LARGE;
        blocks = blocks < fit ? blocks : fit;
        c->capacity = blocks << c->block_bits;
        c->sums.passes = (uint32_t)divide_up(c->reach, c->capacity);
        arena_populate(blocks * h->cluster_size + c->capacity * bytes_of_counter(c));
        c->blocks = arena_alloc(blocks * h->cluster_size);
        c->unreadable = arena_alloc(blocks);
        c->references = arena_alloc(c->capacity * bytes_of_counter(c));
        return c->blocks && c->unreadable && c->references ? ABI_OK : ABI_TOO_LARGE;
}

/* ---- the refcounts on disk ------------------------------------------------------- */

/* Queue a block's read; false where it cannot be read. */
static bool queue_block(const struct check *c, uint64_t index, uint8_t *block)
{
        uint64_t size = c->image.header.cluster_size;
        uint64_t offset = index < c->refcount_entries
                              ? load_be64(&c->refcount_table[index]) & REFTABLE_OFFSET
                              : 0;
        if (!offset) {
                memset(block, 0, size);
                return true;
        }
        if (offset % size || offset > INT64_MAX - size)
                return false;
        read_queue(offset, block, size);
        return true;
}

void check_refcounts_load(struct check *c)
{
        uint64_t first = c->first >> c->block_bits;
        uint64_t count = c->capacity >> c->block_bits;
        uint64_t size = c->image.header.cluster_size;
        c->end = c->first + c->capacity;
        c->first_pass = c->first == 0;
        c->last_pass = c->end >= c->reach;
        if (!c->first_pass)
                memset(c->references, 0, c->capacity * bytes_of_counter(c));
        for (uint64_t i = 0; i < count; i++)
                c->unreadable[i] = !queue_block(c, first + i, c->blocks + i * size);
        read_flush();
}

static bool stray_refcount(struct check *c, uint64_t cluster, uint64_t *refcount)
{
        uint64_t index = cluster >> c->block_bits;
        *refcount = 0;
        if (index >= c->refcount_entries)
                return true;
        if (index != c->stray_index) {
                c->stray_index = UINT64_MAX;
                if (!queue_block(c, index, c->stray_block))
                        return false;
                read_flush();
                c->stray_index = index;
        }
        *refcount = refcount_load(c->image.header.refcount_order, c->stray_block,
                                  cluster & ((1ull << c->block_bits) - 1));
        return true;
}

bool check_refcount_word(struct check *c, uint64_t cluster, uint8_t word[8])
{
        uint32_t order = c->image.header.refcount_order;
        uint64_t in_block = cluster & ((1ull << c->block_bits) - 1);
        bool here = cluster >= c->first && cluster < c->end;
        uint64_t refcount;
        if (!check_refcount(c, cluster, &refcount) ||
            (!here && c->stray_index != cluster >> c->block_bits))
                return false;
        memcpy(word,
               here ? c->blocks + refcount_byte(order, cluster - c->first)
                    : c->stray_block + refcount_byte(order, in_block),
               8);
        return true;
}

bool check_refcount(struct check *c, uint64_t cluster, uint64_t *refcount)
{
        if (cluster < c->first || cluster >= c->end)
                return stray_refcount(c, cluster, refcount);
        uint64_t place = cluster - c->first;
        if (c->unreadable[place >> c->block_bits])
                return false;
        /* The blocks lie behind each other: one index for all of them. */
        *refcount = refcount_load(c->image.header.refcount_order, c->blocks, place);
        return true;
}

/* ---- references ------------------------------------------------------------------ */

uint64_t check_references(const struct check *c, uint64_t cluster)
{
        uint64_t place = cluster - c->first;
        const uint32_t *wide = (const uint32_t *)(const void *)c->references;
        if (cluster < c->first || cluster >= c->end)
                return 0;
        return c->wide ? wide[place] : c->references[place];
}

static void refer_to_cluster(struct check *c, uint64_t cluster)
{
        uint64_t place = cluster - c->first;
        if (cluster >= c->clusters)
                c->clusters = cluster + 1;
        if (cluster < c->first || cluster >= c->end)
                return;
        if (c->roles && cluster < c->role_clusters)
                c->roles[cluster] |= c->role;
        uint64_t references = check_references(c, cluster);
        if (references == c->refcount_max ||
            references == (c->wide ? UINT32_MAX : UINT16_MAX))
                check_find(c, ABI_FINDING_OVERFLOW,
                           cluster << c->image.header.cluster_bits, 0, 0);
        else if (c->wide)
                ((uint32_t *)(void *)c->references)[place]++;
        else
                c->references[place]++;
}

/* So far behind the end: who makes the file longer by less must not come into the way of
 * what reads as zeros there. */
#define NAMED_CLUSTERS 1024u
#define NAMED_BYTES    (256ull << 20)

static void note_named(struct check *c, uint64_t offset, uint64_t length)
{
        uint64_t size = c->image.header.cluster_size;
        uint64_t reach =
            NAMED_CLUSTERS * size < NAMED_BYTES ? NAMED_CLUSTERS * size : NAMED_BYTES;
        if (!range_inside(offset, length, c->file_length + reach))
                return;
        uint64_t end = divide_up(offset + length, size);
        c->named_end = end > c->named_end ? end : c->named_end;
}

/* The file may end inside its last cluster, and not before. */
void check_refer(struct check *c, uint64_t offset, uint64_t length)
{
        uint32_t bits = c->image.header.cluster_bits;
        uint64_t end;
        if (!length)
                return;
        if (!checked_add(offset, length, &end) ||
            end >= c->file_length + c->image.header.cluster_size) {
                check_find_once(c, ABI_FINDING_BEYOND_END, offset, length);
                note_named(c, offset, length);
                return;
        }
        for (uint64_t i = offset >> bits; i <= (end - 1) >> bits; i++)
                refer_to_cluster(c, i);
}

/* ---- comparing ------------------------------------------------------------------- */

static void check_block(struct check *c, uint64_t index)
{
        uint64_t entry = load_be64(&c->refcount_table[index]);
        uint64_t offset = entry & REFTABLE_OFFSET;
        uint64_t cluster = offset >> c->image.header.cluster_bits;
        if (entry & REFTABLE_RESERVED) {
                check_find_once(c, ABI_FINDING_REFTABLE_RESERVED, index, 0);
        } else if (offset % c->image.header.cluster_size) {
                check_find_once(c, ABI_FINDING_REFBLOCK_UNALIGNED, index, 0);
        } else if (cluster >= c->clusters) {
                check_find_once(c, ABI_FINDING_REFBLOCK_OUTSIDE, index, 0);
                note_named(c, offset, c->image.header.cluster_size);
        } else if (offset) {
                check_refer_as(c, CHECK_ROLE_BLOCK, offset, c->image.header.cluster_size);
                if (cluster >= c->first && cluster < c->end &&
                    check_references(c, cluster) != 1)
                        check_find(c, ABI_FINDING_REFBLOCK_REFCOUNT, index,
                                   check_references(c, cluster), 0);
        }
}

void check_refcount_blocks(struct check *c)
{
        for (uint64_t i = 0; i < c->refcount_entries; i++)
                if (c->refcount_table[i])
                        check_block(c, i);
}

static void compare(struct check *c, uint64_t cluster)
{
        uint64_t references = check_references(c, cluster);
        uint64_t refcount;
        if (!check_refcount(c, cluster, &refcount)) {
                check_find(c, ABI_FINDING_REFCOUNT_UNREADABLE, cluster, 0, 0);
                return;
        }
        if (refcount || references)
                c->highest = cluster;
        if (refcount < references)
                check_find(c, ABI_FINDING_REFCOUNT_TOO_LOW, cluster, refcount,
                           references);
        else if (refcount > references)
                check_find(c, ABI_FINDING_LEAK, cluster, refcount, references);
}

/* Refcounts of 16 bits, which nearly all images have, and which are right. */
static uint64_t skip_equal(struct check *c, uint64_t cluster, uint64_t end)
{
        const uint16_t *blocks = (const uint16_t *)(const void *)c->blocks;
        if (c->image.header.refcount_order != 4)
                return cluster;
        for (; cluster < end && !c->unreadable[(cluster - c->first) >> c->block_bits];
             cluster++) {
                uint16_t references = c->references[cluster - c->first];
                if (load_be16(&blocks[cluster - c->first]) != references)
                        break;
                if (references)
                        c->highest = cluster;
        }
        return cluster;
}

void check_compare(struct check *c)
{
        uint64_t end = c->clusters < c->end ? c->clusters : c->end;
        uint64_t cluster = c->first;
        while ((cluster = skip_equal(c, cluster, end)) < end)
                compare(c, cluster++);
}
