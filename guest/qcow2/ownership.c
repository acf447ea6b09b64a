/* SPDX-License-Identifier: MIT */
/*
 * Who owns what in a qcow2 file: the walk over every structure but the bitmaps
 * (which the planner names), from the header outwards.  docs/interop/qcow2.txt,
 * "Header", "Host cluster management", "Cluster mapping" and "Snapshots".
 *
 * Reads are gathered, because leaving the guest is dear: an image without snapshots
 * takes one leave for the L1 and refcount tables (with the other bitmaps' tables, if they
 * are small) and one for the L2 tables, as long as they fit.
 */
#include "guest/qcow2/l2_scan.h"
#include "guest/qcow2/ownership.h"
#include "guest/qcow2/ownership_tables.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"

#define ENTRY_SIZE 8u
#define CRYPT_LUKS 2u

#define L1_RESERVED             0x7f000000000001ffull
#define REFCOUNT_TABLE_RESERVED 0x1ffull
#define BITMAP_TABLE_RESERVED   0xff000000000001feull

#define FIRST_CLAIMS 128u

struct ownership {
        struct header header;
        uint64_t file_size;
        uint64_t file_clusters; /* the last one may be there in part */
        struct range_list list; /* until the seal */
        struct claims claims;   /* from the seal on */
        struct table_reader tables;
        struct l2_scan l2;
        const struct planned_mapping *planned; /* or NULL */
        bool scan_l2;
        bool sealed;
        bool proved;
        bool unprovable;
        enum abi_code code; /* what a visitor could not answer: the arena's end */
};

enum abi_code ownership_begin(const struct header *header, uint64_t file_size,
                              struct ownership **ownership)
{
        struct ownership *o = arena_alloc(sizeof *o);
        *ownership = o;
        if (!o)
                return ABI_TOO_LARGE;
        *o = (struct ownership){
            .header = *header,
            .file_size = file_size,
            .file_clusters = divide_up(file_size, header->cluster_size),
        };
        return range_list_init(&o->list, FIRST_CLAIMS) ? ABI_OK : ABI_TOO_LARGE;
}

void ownership_plan(struct ownership *o, const struct planned_mapping *planned)
{
        o->planned = planned;
        o->header.l1_size = 0;
}

enum abi_code ownership_claim(struct ownership *o, uint64_t first, uint64_t count)
{
        if (o->sealed)
                o->unprovable = true;
        /* What is outside the file, and cluster 0, is not even looked for: it can
         * never hold, and without it a file offset of 0 is no claim's. */
        if (!first && count) {
                first++;
                count--;
        }
        if (o->sealed || !count || first >= o->file_clusters)
                return ABI_OK;
        if (count > o->file_clusters - first)
                count = o->file_clusters - first;
        if (range_list_append(&o->list, first, count))
                return ABI_OK;
        if (!range_list_grow(&o->list))
                return ABI_TOO_LARGE;
        range_list_append(&o->list, first, count);
        return ABI_OK;
}

enum abi_code ownership_seal(struct ownership *o)
{
        const struct header *header = &o->header;
        struct table_reader_load load = {
            .tables = (uint64_t)header->bitmap_count + header->snapshot_count,
            .bytes = (uint64_t)header->l1_size * ENTRY_SIZE +
                     ((uint64_t)header->refcount_table_clusters << header->cluster_bits),
        };
        if (o->sealed)
                return ABI_OK;
        if (!claims_build(&o->claims, &o->list, header->cluster_bits) ||
            !table_reader_init(&o->tables, load, o))
                return ABI_TOO_LARGE;
        o->sealed = true;
        return ABI_OK;
}

/* True if a structure may be at [offset, +length): on a cluster's start, not where the
 * header is, and in the file's clusters.  An empty one may be anywhere. */
static bool place_is_sound(const struct ownership *o, uint64_t offset, uint64_t length)
{
        if (!length)
                return true;
        return offset && !(offset & (o->header.cluster_size - 1)) &&
               range_inside(offset, length, o->file_clusters << o->header.cluster_bits);
}

void ownership_contest(struct ownership *o, struct foreign_range range)
{
        if (o->sealed)
                claims_contest_bytes(&o->claims, range.offset, range.length);
        else
                o->unprovable = true;
}

/* Contest a whole structure, or give up the proof if it is not where it can be. */
static bool contest_structure(struct ownership *o, uint64_t offset, uint64_t length)
{
        if (!o->sealed || !place_is_sound(o, offset, length))
                o->unprovable = true;
        else
                claims_contest_bytes(&o->claims, offset, length);
        return !o->unprovable;
}

/* One cluster of metadata that a table entry names. */
static void contest_named(struct ownership *o, uint64_t offset)
{
        if (place_is_sound(o, offset, o->header.cluster_size))
                claims_contest(&o->claims, offset >> o->header.cluster_bits, 1);
        else
                o->unprovable = true;
}

static void visit_l1(void *context, const uint8_t *entries, uint64_t count)
{
        struct ownership *o = context;
        for (uint64_t i = 0; i < count; i++) {
                uint64_t entry = load_be64(entries + i * ENTRY_SIZE);
                uint64_t offset = entry & QCOW2_OFFSET_MASK;
                if (entry & L1_RESERVED)
                        o->unprovable = true;
                if (!offset || o->unprovable)
                        continue;
                contest_named(o, offset);
                if (o->scan_l2 && !o->unprovable && o->code == ABI_OK)
                        o->code = l2_scan_add(&o->l2, offset >> o->header.cluster_bits);
        }
}

static void visit_refcount_table(void *context, const uint8_t *entries, uint64_t count)
{
        struct ownership *o = context;
        for (uint64_t i = 0; i < count; i++) {
                uint64_t entry = load_be64(entries + i * ENTRY_SIZE);
                if (entry & REFCOUNT_TABLE_RESERVED)
                        o->unprovable = true;
                else if (entry)
                        contest_named(o, entry);
        }
}

static void visit_bitmap_table(void *context, const uint8_t *entries, uint64_t count)
{
        struct ownership *o = context;
        for (uint64_t i = 0; i < count; i++) {
                uint64_t entry = load_be64(entries + i * ENTRY_SIZE);
                uint64_t offset = entry & QCOW2_OFFSET_MASK;
                if ((entry & BITMAP_TABLE_RESERVED) ||
                    (offset & (o->header.cluster_size - 1)) ||
                    (offset && (entry & QCOW2_TABLE_ALL_ONES)))
                        o->unprovable = true;
                else if (offset)
                        claims_contest(&o->claims, offset >> o->header.cluster_bits, 1);
        }
}

void ownership_contest_table(struct ownership *o, uint64_t table_offset, uint64_t entries)
{
        if (entries > QCOW2_MAX_TABLE_ENTRIES) {
                o->unprovable = true;
                return;
        }
        if (!contest_structure(o, table_offset, entries * ENTRY_SIZE))
                return;
        if (!o->claims.run_count)
                return;
        table_reader_add(&o->tables, table_offset, entries, visit_bitmap_table);
        if (o->proved)
                table_reader_flush(&o->tables);
}

static void add_l1(struct ownership *o, uint64_t offset, uint32_t entries)
{
        uint64_t length = (uint64_t)entries * ENTRY_SIZE;
        if (length > QCOW2_MAX_L1_BYTES)
                o->unprovable = true;
        else if (contest_structure(o, offset, length))
                table_reader_add(&o->tables, offset, entries, visit_l1);
}

static void add_refcount_table(struct ownership *o)
{
        const struct header *header = &o->header;
        uint64_t length = (uint64_t)header->refcount_table_clusters
                          << header->cluster_bits;
        if (!length)
                return; /* it is the table itself that is claimed (growth.c) */
        if (length > QCOW2_MAX_REFCOUNT_TABLE_BYTES)
                o->unprovable = true;
        else if (contest_structure(o, header->refcount_table_offset, length))
                table_reader_add(&o->tables, header->refcount_table_offset,
                                 length / ENTRY_SIZE, visit_refcount_table);
}

/* LUKS keeps its key slots in clusters that only the header extension names. */
static void contest_crypto(struct ownership *o)
{
        const struct header *header = &o->header;
        if (!header->has_crypto)
                o->unprovable |= header->crypt_method == CRYPT_LUKS;
        else if (!header->crypto_length)
                o->unprovable = true;
        else
                contest_structure(o, header->crypto_offset, header->crypto_length);
}

static void prove_snapshots(struct ownership *o, struct snapshot_walk *walk)
{
        struct snapshot l1;
        enum snapshot_step step = SNAPSHOT_ENTRY;
        while (!o->unprovable && o->code == ABI_OK) {
                step = snapshot_walk_next(walk, &l1);
                if (step != SNAPSHOT_ENTRY)
                        break;
                add_l1(o, l1.offset, l1.entries);
        }
        if (step == SNAPSHOT_MALFORMED)
                o->unprovable = true;
        else
                contest_structure(o, walk->start, walk->position - walk->start);
}

static void add_planned(struct ownership *o)
{
        const struct planned_mapping *planned = o->planned;
        if (!planned)
                return;
        visit_l1(o, planned->l1, planned->l1_entries);
        if (planned->l2 && o->scan_l2 && !o->unprovable)
                l2_scan_bytes(&o->l2, planned->l2, planned->l2_bytes);
}

/* All structures but what L2 entries name.  Sets o->code and o->unprovable. */
static void prove_structures(struct ownership *o)
{
        struct snapshot_walk walk;
        contest_crypto(o);
        add_l1(o, o->header.l1_offset, o->header.l1_size);
        add_planned(o);
        add_refcount_table(o);
        if (o->header.snapshot_count > QCOW2_MAX_SNAPSHOTS)
                o->unprovable = true;
        if (o->unprovable)
                return;
        o->code = snapshot_walk_begin(&walk, &o->header, o->file_size);
        if (o->code != ABI_OK)
                return;
        table_reader_flush(&o->tables);
        prove_snapshots(o, &walk);
        table_reader_flush(&o->tables);
}

enum abi_code ownership_prove(struct ownership *o, bool scan_l2, bool *provable)
{
        uint64_t mark = arena_mark();
        if (!o->sealed || o->proved)
                o->unprovable = true;
        *provable = !o->unprovable;
        if (o->unprovable || !o->claims.run_count)
                return ABI_OK;
        o->scan_l2 = scan_l2;
        if (scan_l2)
                o->code = l2_scan_begin(
                    &o->l2, &o->header,
                    o->planned ? o->planned->l1_entries : o->header.l1_size, &o->claims);
        if (o->code == ABI_OK)
                prove_structures(o);
        if (scan_l2 && o->code == ABI_OK && !o->unprovable) {
                o->code = l2_scan_finish(&o->l2);
                o->unprovable |= o->l2.malformed;
        }
        arena_release(mark);
        o->unprovable |= o->code != ABI_OK; /* the L2 scan's memory is gone */
        o->proved = !o->unprovable;
        *provable = o->proved;
        return o->code;
}

bool ownership_holds(const struct ownership *o, uint64_t index)
{
        return o->proved && !o->unprovable && claims_hold(&o->claims, index);
}
