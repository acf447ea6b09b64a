/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps: what QEMU's check sees of them (references), what keeps QEMU from opening the
 * image, and what it does not look at: padding, bits behind the end of the disk, data
 * that lies behind the end of the file and would be read as clean, shared clusters.
 */
#include <string.h>

#include "guest/ops/check_state.h"
#include "guest/qcow2/table.h"
#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

/* Told of every entry of a table, in order; false ends the walk. */
typedef bool entry_visitor(struct check *check, const struct directory_entry *bitmap,
                           uint64_t index, uint64_t entry);

/* What lies behind the end of the file is read as zeros, as QEMU does; where no file can
 * end, nothing can be read. */
static bool visit_table(struct check *c, const struct directory_entry *bitmap,
                        entry_visitor *visit)
{
        if (!range_inside(bitmap->table_offset, bitmap->table_entries * 8ull, INT64_MAX))
                return false;
        for (uint64_t i = 0; i < bitmap->table_entries; i++) {
                uint64_t entry = table_readahead_entry(bitmap, i);
                if (entry && !visit(c, bitmap, i, entry))
                        return false;
        }
        return true;
}

typedef bool bitmap_visitor(struct check *check, const struct directory_entry *bitmap);

static bool visit_bitmaps(struct check *c, bitmap_visitor *visit)
{
        struct directory_entry e;
        uint64_t position = 0;
        table_readahead_again(TABLE_READAHEAD_TABLES);
        while (directory_entry_at(&c->image.directory, position, &e)) {
                /* Where QEMU gives up, what an entry says may be anything. */
                bool senseless =
                    c->walks_on && directory_entry_fault(&c->image.header, &e);
                if (!senseless && !visit(c, &e))
                        return false;
                position += e.length;
        }
        return true;
}

static bool lists_bitmaps(const struct check *c)
{
        return c->image.directory.bytes && !header_is_stale(&c->image.header);
}

/* ---- looking --------------------------------------------------------------------- */

/* Not a data cluster's place, wherever the file ends. */
static bool is_malformed(const struct check *c, uint64_t entry)
{
        return table_entry_kind(&c->image.header, entry, TABLE_ANYWHERE) ==
               TABLE_ENTRY_INVALID;
}

static void damage(struct check *c, const struct directory_entry *e,
                   enum abi_bitmap_fault fault, uint64_t first, uint64_t second)
{
        check_report_damage(c, fail(ABI_BAD_BITMAP, first, second, fault, 0), e);
}

static bool look_at_table_entry(struct check *c, const struct directory_entry *e,
                                uint64_t index, uint64_t entry)
{
        const struct header *h = &c->image.header;
        if (is_malformed(c, entry)) {
                check_report_damage(
                    c, fail(ABI_BAD_TABLE, e->table_offset, index, entry, 0), e);
                return false;
        }
        if (table_entry_kind(h, entry, c->image.file_end) == TABLE_ENTRY_INVALID &&
            !c->beyond_told) {
                damage(c, e, ABI_BITMAP_BEYOND_END, e->table_offset, index);
                c->beyond_told = true; /* one entry is enough to tell */
        }
        return true;
}

/* The last bits of the last data cluster ("Bitmap data": they shall be zero). */
static void look_at_tail(struct check *c, const struct directory_entry *e)
{
        const struct header *h = &c->image.header;
        uint64_t size = h->cluster_size;
        uint64_t bits = bitmap_bits(h, e->granularity_bits);
        uint64_t used = bits % (size * 8);
        uint64_t start = bitmap_tail_start(h, e->granularity_bits);
        uint64_t entry = table_readahead_entry(e, e->table_entries - 1ull);
        const uint8_t *tail = table_readahead_tail(e);
        if (!tail || table_entry_kind(h, entry, c->image.file_end) != TABLE_ENTRY_DATA)
                return;
        uint32_t found = used % 8 ? (uint32_t)tail[used / 8 - start] >> used % 8 : 0;
        for (uint64_t i = divide_up(used, 8); i < size; i++)
                found |= (uint32_t)tail[i - start];
        if (found)
                damage(c, e, ABI_BITMAP_TAIL_BITS, entry & QCOW2_OFFSET_MASK, 0);
}

static void look_at_table(struct check *c, const struct directory_entry *e)
{
        bool unusable = e->flags & QCOW2_BITMAP_IN_USE;
        if (unusable)
                damage(c, e, ABI_BITMAP_IN_USE, c->image.directory.offset + e->position,
                       0);
        c->beyond_told =
            !range_inside(e->table_offset, e->table_entries * 8ull, c->image.file_end);
        if (c->beyond_told)
                damage(c, e, ABI_BITMAP_BEYOND_END, e->table_offset, 0);
        if (visit_table(c, e, look_at_table_entry) && !unusable)
                look_at_tail(c, e);
}

static bool look_at_entry(void *context, const struct directory_entry *e,
                          uint64_t position, uint32_t index,
                          enum abi_directory_fault fault)
{
        struct check *c = context;
        if (e && !fault && (e->extra_length || e->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE))
                fault = ABI_DIRECTORY_EXTRA;
        if (fault == ABI_DIRECTORY_NAME_SIZE && !e->name_length)
                fault = ABI_DIRECTORY_NO_NAME;
        if (fault)
                check_report_damage(c,
                                    fail(ABI_BAD_DIRECTORY,
                                         c->image.directory.offset + position, index,
                                         fault, 0),
                                    e);
        else
                look_at_table(c, e);
        return fault != ABI_DIRECTORY_COUNT; /* what follows was not announced */
}

/* QEMU minds neither padding nor a name without bytes, nor a second bitmap of a name that
 * is in use, but it minds flag 2. */
static bool minds(enum abi_directory_fault fault, const struct directory_entry *e)
{
        if (e && (e->extra_length || e->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE))
                return true;
        return fault && fault != ABI_DIRECTORY_PADDING &&
               fault != ABI_DIRECTORY_DUPLICATE_IN_USE &&
               !(fault == ABI_DIRECTORY_NAME_SIZE && !e->name_length);
}

static bool mind_entry(void *context, const struct directory_entry *e, uint64_t position,
                       uint32_t index, enum abi_directory_fault fault)
{
        bool *opens = context;
        (void)position;
        (void)index;
        *opens = !minds(fault, e);
        return *opens;
}

static bool mind_table_entry(struct check *c, const struct directory_entry *e,
                             uint64_t index, uint64_t entry)
{
        (void)e;
        (void)index;
        return !is_malformed(c, entry);
}

/* QEMU loads no bitmap that is in use. */
static bool mind_table(struct check *c, const struct directory_entry *e)
{
        return e->flags & QCOW2_BITMAP_IN_USE || visit_table(c, e, mind_table_entry);
}

bool check_bitmaps_look(struct check *c, enum abi_code *code)
{
        const struct header *h = &c->image.header;
        struct directory *directory = &c->image.directory;
        bool opens = true;
        *code = ABI_OK;
        if (header_is_stale(h))
                return true;
        *code = directory_queue_read(h, directory);
        if (*code || !directory->bytes)
                return !*code;
        read_flush();
        c->overlap_told = arena_alloc(directory->size / 8 + 1);
        if (!c->overlap_told)
                *code = ABI_TOO_LARGE;
        if (!*code)
                *code = directory_visit(h, directory, mind_entry, &opens);
        table_readahead_start(h, directory, TABLE_READAHEAD_TAILS);
        table_readahead_keep();
        if (!*code)
                *code = directory_visit(h, directory, look_at_entry, c);
        return !*code && opens && visit_bitmaps(c, mind_table);
}

/* ---- references ------------------------------------------------------------------ */

static bool refer_to_data(struct check *c, const struct directory_entry *e,
                          uint64_t index, uint64_t entry)
{
        (void)e;
        (void)index;
        if (is_malformed(c, entry))
                return false;
        if (entry & QCOW2_OFFSET_MASK)
                check_refer_as(c, CHECK_ROLE_BITMAP, entry & QCOW2_OFFSET_MASK,
                               c->image.header.cluster_size);
        return true;
}

static bool refer(struct check *c, const struct directory_entry *e)
{
        check_refer_as(c, CHECK_ROLE_BITMAP, e->table_offset, e->table_entries * 8ull);
        return visit_table(c, e, refer_to_data);
}

bool check_bitmaps(struct check *c)
{
        if (!lists_bitmaps(c))
                return true;
        check_refer(c, c->image.directory.offset, c->image.directory.size);
        return visit_bitmaps(c, refer);
}

/* ---- overlaps -------------------------------------------------------------------- */

static bool is_shared(struct check *c, uint64_t offset, uint64_t length,
                      uint64_t *cluster)
{
        uint32_t bits = c->image.header.cluster_bits;
        if (!length || !range_inside(offset, length, INT64_MAX))
                return false;
        for (*cluster = offset >> bits; *cluster <= (offset + length - 1) >> bits;
             (*cluster)++)
                if (check_references(c, *cluster) > 1)
                        return true;
        return false;
}

/* One cluster of a bitmap is enough to tell. */
static bool find_shared_data(struct check *c, const struct directory_entry *e,
                             uint64_t index, uint64_t entry)
{
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        uint64_t cluster;
        (void)index;
        if (!offset || !is_shared(c, offset, c->image.header.cluster_size, &cluster))
                return true;
        damage(c, e, ABI_BITMAP_OVERLAP, offset, 0);
        return false;
}

/* Several passes may see it, and each names the bitmap's place in the directory. */
static bool find_shared(struct check *c, const struct directory_entry *e)
{
        uint64_t faults = c->sums.bitmap_faults;
        uint8_t *told = &c->overlap_told[e->position / 8];
        uint64_t cluster;
        if (*told)
                return true;
        if (is_shared(c, e->table_offset, e->table_entries * 8ull, &cluster))
                damage(c, e, ABI_BITMAP_OVERLAP, cluster << c->image.header.cluster_bits,
                       0);
        else
                visit_table(c, e, find_shared_data);
        *told = c->sums.bitmap_faults != faults;
        return true;
}

void check_bitmaps_overlap(struct check *c)
{
        if (lists_bitmaps(c))
                visit_bitmaps(c, find_shared);
}
