/* SPDX-License-Identifier: MIT */
/*
 * L1 and L2 tables ("L1 table", "L2 tables", "Extended L2 Entries").  L2 tables are read
 * many at a time, and looked at once: references, COPIED flags and fragmentation
 * together.
 */
#include "guest/ops/check_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"
#include "guest/rt/report.h"

#define COPIED      (1ull << 63)
#define COMPRESSED  (1ull << 62)
#define ZERO        1ull
#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull

#define SUBCLUSTERS_ALLOCATED 0xffffffffull /* the low half of an entry's bitmap */

/* Between two reports of progress: L2 tables. */
#define PROGRESS_STEP 64u

struct walk {
        struct check *check;
        bool active;  /* the disk's own tables: fragmentation is counted */
        bool copied;  /* and COPIED flags are checked */
        uint64_t *l1; /* window */
        uint8_t *tables;
        uint64_t *offsets; /* of the tables in the file */
        uint64_t *indices; /* of their entries in the L1 table */
        uint64_t batch;    /* tables that fit */
        uint64_t count;    /* that wait */
        uint64_t next_contiguous;
};

/* ---- L2 entries ------------------------------------------------------------------ */

static void check_compressed(struct walk *w, uint64_t index, uint64_t entry,
                             uint64_t bitmap)
{
        struct check *c = w->check;
        uint32_t bits = c->image.header.cluster_bits;
        uint32_t shift = 62 - (bits - 8);
        uint64_t offset = entry & ((1ull << shift) - 1);
        uint64_t sectors = (entry >> shift & ((1ull << (bits - 8)) - 1)) + 1;
        if (entry & COPIED)
                check_find_once(c, ABI_FINDING_COMPRESSED_COPIED, offset, 0);
        entry &= ~COPIED;
        if (c->data_file) {
                check_find_once(c, ABI_FINDING_COMPRESSED_DATA_FILE, index, entry);
                return;
        }
        if (bitmap) {
                check_find_once(c, ABI_FINDING_COMPRESSED_SUBCLUSTERS, index, entry);
                return;
        }
        check_refer_as(c, CHECK_ROLE_DATA, offset,
                       sectors * ABI_SECTOR - offset % ABI_SECTOR);
        if (w->active && c->first_pass) {
                c->sums.allocated_clusters++;
                c->sums.compressed_clusters++;
                c->sums.fragmented_clusters++;
        }
}

/* COPIED says that the refcount is 1: as on disk, right or wrong. */
static void check_copied(struct check *c, uint64_t entry, uint64_t offset)
{
        uint64_t cluster = offset >> c->image.header.cluster_bits;
        uint64_t refcount = 1;
        if (c->data_file) {
                if (!(entry & COPIED))
                        check_find_once(c, ABI_FINDING_COPIED_DATA, entry, refcount);
                return;
        }
        if (!check_is_here(c, cluster) || !check_refcount(c, cluster, &refcount))
                return;
        if ((refcount == 1) != ((entry & COPIED) != 0))
                check_find(c, ABI_FINDING_COPIED_DATA, entry, refcount, 0);
}

static void check_offset(struct check *c, uint64_t entry, uint64_t bitmap,
                         uint64_t offset)
{
        bool contains_data =
            c->extended_l2 ? bitmap & SUBCLUSTERS_ALLOCATED : !(entry & ZERO);
        if (c->extended_l2 && bitmap >> 32 & bitmap)
                check_find_once(c, ABI_FINDING_SUBCLUSTER_BITMAP, offset, 0);
        if (offset % c->image.header.cluster_size)
                check_find_once(c,
                                contains_data ? ABI_FINDING_DATA_UNALIGNED
                                              : ABI_FINDING_PREALLOCATED_UNALIGNED,
                                offset, 0);
}

static void check_allocated(struct walk *w, uint64_t entry, uint64_t bitmap)
{
        struct check *c = w->check;
        uint64_t size = c->image.header.cluster_size;
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        check_offset(c, entry, bitmap, offset);
        if (w->active && c->first_pass) {
                c->sums.allocated_clusters++;
                if (w->next_contiguous && offset != w->next_contiguous)
                        c->sums.fragmented_clusters++;
                w->next_contiguous = offset + size;
        }
        if (!c->data_file)
                check_refer_as(c, CHECK_ROLE_DATA, offset, size);
        if (w->copied)
                check_copied(c, entry, offset);
}

static void check_entry(struct walk *w, uint64_t index, uint64_t entry, uint64_t bitmap)
{
        struct check *c = w->check;
        bool copied = entry & COPIED;
        if (entry & COMPRESSED) {
                check_compressed(w, index, entry, bitmap);
                return;
        }
        if (entry & L2_RESERVED)
                check_find_once(c, ABI_FINDING_L2_RESERVED, entry, 0);
        /* Offset 0 is one that a data file can have. */
        if (entry & QCOW2_OFFSET_MASK ||
            (c->data_file && copied && (c->extended_l2 || !(entry & ZERO))))
                check_allocated(w, entry, bitmap);
        else if (c->extended_l2 && bitmap & SUBCLUSTERS_ALLOCATED)
                check_find_once(c, ABI_FINDING_UNALLOCATED_SUBCLUSTERS, 0, 0);
}

/* What nearly all entries are: aligned, inside the range, COPIED, with refcount 1. */
static bool take_plain(struct walk *w, uint64_t entry)
{
        struct check *c = w->check;
        const struct header *h = &c->image.header;
        uint64_t offset = entry & ~COPIED;
        uint64_t place = (offset >> h->cluster_bits) - c->first;
        const uint16_t *refcounts = (const uint16_t *)(const void *)c->blocks;
        if (c->roles || c->mend || !(entry & COPIED) || offset & (h->cluster_size - 1) ||
            !offset || offset >> h->cluster_bits >= c->clusters - 1 ||
            place >= c->capacity || h->refcount_order != 4 || c->extended_l2 ||
            c->data_file || c->references[place] == UINT16_MAX ||
            c->unreadable[place >> c->block_bits] || load_be16(&refcounts[place]) != 1)
                return false;
        c->references[place]++;
        if (w->active && c->first_pass) {
                c->sums.allocated_clusters++;
                if (w->next_contiguous && offset != w->next_contiguous)
                        c->sums.fragmented_clusters++;
                w->next_contiguous = offset + h->cluster_size;
        }
        return true;
}

static void check_l2(struct walk *w, const uint8_t *table, uint64_t table_offset,
                     uint64_t l1_index)
{
        struct check *c = w->check;
        uint64_t entry_size = c->extended_l2 ? 16 : 8;
        uint64_t entries = c->image.header.cluster_size / entry_size;
        uint64_t first = l1_index * entries;
        w->next_contiguous = 0;
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = load_be64(table + i * entry_size);
                uint64_t bitmap =
                    c->extended_l2 ? load_be64(table + i * entry_size + 8) : 0;
                if (!entry && !bitmap)
                        continue;
                if (c->mend) {
                        struct check_place place = {
                            table_offset + i * entry_size,
                            (first + i) * c->image.header.cluster_size, w->active};
                        c->mend->l2(c, &place, &entry, &bitmap);
                }
                if ((entry || bitmap) && !take_plain(w, entry))
                        check_entry(w, i, entry, bitmap);
        }
}

/* ---- L1 entries ------------------------------------------------------------------ */

static void report_progress(struct check *c)
{
        if (!(c->call->flags & ABI_CALL_PROGRESS) || c->l2_done % PROGRESS_STEP ||
            c->l2_done > c->l2_total)
                return;
        check_send_findings(c);
        struct abi_report_progress *progress =
            report_add(ABI_REPORT_PROGRESS, sizeof *progress);
        *progress = (struct abi_report_progress){c->l2_done, c->l2_total};
}

static void check_batch(struct walk *w)
{
        read_flush();
        for (uint64_t i = 0; i < w->count; i++) {
                check_l2(w, w->tables + i * w->check->image.header.cluster_size,
                         w->offsets[i], w->indices[i]);
                w->check->l2_done++;
                report_progress(w->check);
        }
        w->count = 0;
}

static void check_l1_copied(struct check *c, uint64_t index, uint64_t entry)
{
        uint64_t cluster = (entry & QCOW2_OFFSET_MASK) >> c->image.header.cluster_bits;
        uint64_t refcount;
        if (!(entry & QCOW2_OFFSET_MASK) || !check_is_here(c, cluster) ||
            !check_refcount(c, cluster, &refcount))
                return;
        if ((refcount == 1) != ((entry & COPIED) != 0))
                check_find(c, ABI_FINDING_COPIED_L2, index, entry, refcount);
}

/* QEMU leaves out the flags of a table that is at offset 0, or whose own refcount cannot
 * be read. */
static bool has_flags(struct check *c, uint64_t offset)
{
        uint64_t refcount;
        return offset &&
               check_refcount(c, offset >> c->image.header.cluster_bits, &refcount);
}

/* An entry that is not zero has a table, at offset 0 if need be: as QEMU sees it. */
static void check_l1_entry(struct walk *w, uint64_t table_offset, uint64_t index,
                           uint64_t entry)
{
        struct check *c = w->check;
        uint64_t size = c->image.header.cluster_size;
        if (c->mend) {
                uint64_t covered = size * (size / (c->extended_l2 ? 16 : 8));
                struct check_place place = {table_offset + index * 8, index * covered,
                                            w->active};
                entry = c->mend->l1(c, &place, entry);
                if (!entry)
                        return;
        }
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        if (entry & L1_RESERVED)
                check_find_once(c, ABI_FINDING_L1_RESERVED, entry, 0);
        check_refer_as(c, CHECK_ROLE_L2, offset, size);
        if (offset % size)
                check_find_once(c, ABI_FINDING_L2_UNALIGNED, offset, 0);
        if (w->active)
                check_l1_copied(c, index, entry);
        bool copied = w->active && has_flags(c, offset);
        if (copied != w->copied)
                check_batch(w);
        w->copied = copied;
        w->offsets[w->count] = offset;
        w->indices[w->count] = index;
        read_queue(offset, w->tables + w->count * size, size);
        if (++w->count == w->batch)
                check_batch(w);
}

static bool allocate(struct walk *w, uint64_t entries)
{
        uint64_t size = w->check->image.header.cluster_size;
        w->batch = size < CHECK_BATCH_BYTES ? CHECK_BATCH_BYTES / size : 1;
        if (w->batch > entries)
                w->batch = entries;
        w->l1 = arena_alloc((entries < CHECK_L1_WINDOW ? entries : CHECK_L1_WINDOW) *
                            sizeof *w->l1);
        arena_populate(w->batch * size);
        w->tables = arena_alloc(w->batch * size);
        w->offsets = arena_alloc(w->batch * sizeof *w->offsets);
        w->indices = arena_alloc(w->batch * sizeof *w->indices);
        return w->l1 && w->tables && w->offsets && w->indices;
}

/* Those that are in the file: behind its end, where a table of millions costs nothing to
 * claim, entries read as zeros, and nothing is to be seen. */
static uint64_t entries_in_file(const struct check *c, uint64_t offset, uint64_t entries)
{
        uint64_t bytes = offset < c->file_length ? c->file_length - offset : 0;
        uint64_t here = divide_up(bytes, sizeof(uint64_t));
        return here < entries ? here : entries;
}

enum abi_code check_l1(struct check *c, uint64_t offset, uint64_t entries, bool active)
{
        struct walk w = {.check = c, .active = active, .copied = active};
        uint64_t mark = arena_mark();
        if (!entries)
                return ABI_OK;
        if (!allocate(&w, entries))
                return ABI_TOO_LARGE;
        check_refer_as(c, CHECK_ROLE_L1, offset, entries * 8);
        entries = entries_in_file(c, offset, entries);
        for (uint64_t first = 0; first < entries; first += CHECK_L1_WINDOW) {
                uint64_t count =
                    entries - first < CHECK_L1_WINDOW ? entries - first : CHECK_L1_WINDOW;
                check_batch(&w); /* its reads are in flight: one window after the other */
                read_queue(offset + first * 8, w.l1, count * 8);
                read_flush();
                for (uint64_t i = 0; i < count; i++)
                        if (w.l1[i])
                                check_l1_entry(&w, offset, first + i,
                                               load_be64(&w.l1[i]));
        }
        check_batch(&w);
        arena_release(mark);
        return ABI_OK;
}
