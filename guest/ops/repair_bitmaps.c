/* SPDX-License-Identifier: MIT */
/*
 * The list of bitmaps.  A bitmap is kept only where all its bits are there: one whose
 * entry, table or data is damaged is removed, or becomes all dirty, for a bit that is
 * lost would be a change that no backup ever sees.
 */
#include <string.h>

#include "guest/ops/repair_bitmaps.h"
#include "guest/qcow2/all_dirty.h"
#include "guest/qcow2/table.h"
#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/fingerprint.h"

/* How often entries are looked for behind one that makes no sense. */
#define MAX_SEARCHES 64u
/* Of a directory whose size is not known. */
#define MAX_UNKNOWN_SIZE (1ull << 20)

/* ---- reading the directory -----------------------------------------------------------
 */

static bool parse(const struct list *l, uint64_t position, uint64_t end,
                  struct directory_entry *e)
{
        struct directory part = {.bytes = l->bytes, .size = end};
        return directory_entry_at(&part, position, e);
}

/* Entries that nothing is wrong with follow each other from `position` to the end. */
static bool is_chain(const struct list *l, uint64_t position)
{
        struct directory_entry e;
        while (position < l->size) {
                if (!parse(l, position, l->size, &e) ||
                    directory_entry_fault(&l->repair->h, &e))
                        return false;
                position += e.length;
        }
        return position == l->size;
}

/* Behind the directory's end there may be the rest of an entry; but where a name goes on
 * with zeros, it is its length that is wrong. */
static bool is_whole(const struct list *l, uint64_t position,
                     const struct directory_entry *e)
{
        if (!l->size_known || position + e->length <= l->size)
                return true;
        for (uint32_t i = 0; i < e->name_length; i++)
                if (!e->name[i])
                        return false;
        return true;
}

/* What follows an entry whose length is right. */
static bool is_border(const struct list *l, uint64_t position)
{
        struct directory_entry e;
        uint64_t end = l->size_known ? l->size : l->limit;
        return (l->size_known && position == end) ||
               (parse(l, position, end, &e) && !directory_entry_fault(&l->repair->h, &e));
}

/* The entry at *position cannot be read, or its length is wrong: on to where a chain
 * starts. */
static bool find_chain(struct list *l, uint64_t *position)
{
        if (l->searches == MAX_SEARCHES || !l->size_known)
                return false;
        l->searches++;
        for (uint64_t p = *position + QCOW2_ENTRY_FIXED; p < l->size; p += 8)
                if (is_chain(l, p)) {
                        *position = p;
                        return true;
                }
        return false;
}

/* Are there more entries?  As many as the directory's size has; or as are announced and
 * are there, which may be one that its slack has. */
static bool goes_on(const struct list *l, uint64_t position, uint32_t seen)
{
        struct directory_entry e;
        if (seen == QCOW2_MAX_BITMAPS || position >= l->limit)
                return false;
        if (l->size_known && position < l->size)
                return true;
        if (!l->size_known && l->count_known)
                return seen < l->count;
        return (l->count_known ? seen < l->count : !l->size_known) &&
               parse(l, position, l->limit, &e) &&
               !directory_entry_fault(&l->repair->h, &e);
}

static bool next_entry(struct list *l, uint64_t *position, uint32_t *seen,
                       struct directory_entry *e)
{
        while (goes_on(l, *position, *seen)) {
                enum abi_directory_fault fault = 0;
                bool readable =
                    parse(l, *position, l->limit, e) && is_whole(l, *position, e);
                uint64_t place = *position;
                ++*seen;
                if (readable)
                        fault = directory_entry_fault(&l->repair->h, e);
                if (readable && (!fault || is_border(l, *position + e->length))) {
                        *position += e->length;
                        return true;
                }
                l->changed = true;
                if (find_chain(l, position)) {
                        repair_tell(ABI_REPAIR_ENTRY_REMOVED, l->offset + place, 0, 0);
                        continue;
                }
                if (readable &&
                    place + e->length <= (l->size_known ? l->size : l->limit)) {
                        *position += e->length;
                        return true;
                }
                repair_tell(ABI_REPAIR_ENTRY_REMOVED, l->offset + place, 0, 0);
                return false;
        }
        if (l->size_known && *position != l->size)
                l->changed = true;
        return false;
}

/* ---- names ----------------------------------------------------------------------------
 */

static bool names_start(struct list *l)
{
        uint64_t size = 16;
        while (size < 2 * (l->limit / QCOW2_ENTRY_FIXED + 1) &&
               size < 4 * QCOW2_MAX_BITMAPS)
                size *= 2;
        l->name_mask = size - 1;
        l->names = arena_alloc(size * sizeof *l->names);
        return l->names;
}

/* False if there was one with the same fingerprint, so the same name; as far as a NUL, as
 * QEMU compares them. */
static bool is_new_name(struct list *l, const struct directory_entry *e)
{
        uint64_t length = 0;
        while (length < e->name_length && e->name[length])
                length++;
        uint64_t hash = fingerprint(e->name, length) | 1;
        uint64_t slot = hash >> 32 & l->name_mask;
        for (; l->names[slot]; slot = (slot + 1) & l->name_mask)
                if (l->names[slot] == hash)
                        return false;
        l->names[slot] = hash;
        return true;
}

/* ---- one bitmap
 * ------------------------------------------------------------------------ */

/* Only what an entry says of its table may be wrong for it to become all dirty. */
static bool may_be_reset(const struct list *l, const struct directory_entry *e,
                         uint64_t fault)
{
        return l->repair->reset_damaged &&
               (!fault || fault == ABI_DIRECTORY_TABLE_OFFSET ||
                fault == ABI_DIRECTORY_TABLE_SIZE || fault == ABI_DIRECTORY_FLAGS) &&
               e->granularity_bits >= QCOW2_MIN_GRANULARITY_BITS &&
               e->granularity_bits <= QCOW2_MAX_GRANULARITY_BITS && e->name_length &&
               e->name_length <= QCOW2_MAX_NAME && e->type == QCOW2_BITMAP_TYPE_DIRTY &&
               bitmap_size_allowed(&l->repair->h, e->granularity_bits) &&
               bitmap_table_entries(&l->repair->h, e->granularity_bits);
}

static enum abi_code make_dirty(struct list *l, struct kept *k)
{
        struct repair *r = l->repair;
        struct all_dirty plan = all_dirty_plan(&r->h, k->entry.granularity_bits);
        table_readahead_forget(); /* new clusters may lie where nothing was */
        uint64_t data_offset = 0;
        uint8_t *table;
        uint8_t *data;
        k->table_entries = (uint32_t)plan.entries;
        k->table_offset =
            repair_allocate(r, table_clusters(&r->h, k->table_entries), &table);
        if (plan.data_clusters)
                data_offset = repair_allocate(r, 1, &data);
        if (!k->table_offset || (plan.data_clusters && !data_offset))
                return ABI_TOO_LARGE;
        all_dirty_store_table(&plan, data_offset, (uint64_t *)(void *)table);
        if (plan.data_clusters)
                all_dirty_store_data(&plan, data);
        k->flags = k->entry.flags & QCOW2_BITMAP_AUTO;
        return ABI_OK;
}

static enum abi_code keep(struct list *l, const struct directory_entry *e, bool dirty)
{
        struct kept *k = &l->kept[l->kept_count];
        *k = (struct kept){.entry = *e,
                           .table_offset = e->table_offset,
                           .table_entries = e->table_entries,
                           .flags = e->flags};
        enum abi_code code = dirty ? make_dirty(l, k) : ABI_OK;
        l->kept_count += !code;
        return code;
}

/* The byte behind the name is not zero: it is the name that is cut, not the padding that
 * is wrong, and nobody knows where it ends. */
static bool goes_on_in_padding(const struct directory_entry *e)
{
        return (QCOW2_ENTRY_FIXED + e->extra_length + e->name_length) % 8 &&
               e->name[e->name_length];
}

static enum abi_code judge(struct list *l, const struct directory_entry *e)
{
        uint64_t fault = directory_entry_fault(&l->repair->h, e);
        enum abi_repair_reason reason = 0;
        if (!e->name_length && !e->table_offset && !e->table_entries) {
                l->changed = true; /* zeros: there is no entry that could be missed */
                return ABI_OK;
        }
        if (e->extra_length || e->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE)
                fault = ABI_DIRECTORY_EXTRA;
        if (fault == ABI_DIRECTORY_PADDING && goes_on_in_padding(e))
                fault = ABI_DIRECTORY_NAME_SIZE;
        if (fault == ABI_DIRECTORY_PADDING) {
                fault = 0;
                l->changed = true;
                repair_tell_bitmap(ABI_REPAIR_BITMAP_MENDED, 0, 0, e->name,
                                   e->name_length);
        }
        if (!fault && !is_new_name(l, e))
                fault = ABI_DIRECTORY_DUPLICATE_NAME;
        if (fault) {
                reason = ABI_REPAIR_REASON_ENTRY;
        } else {
                enum abi_code code = repair_bitmap_data(l, e, &reason);
                if (code)
                        return code;
        }
        if (!reason)
                return keep(l, e, false);
        bool reset = may_be_reset(l, e, fault);
        l->changed = true;
        l->repair->named_beyond |= reason == ABI_REPAIR_REASON_BEYOND_END;
        if (e->name_length > QCOW2_MAX_NAME) {
                repair_tell(ABI_REPAIR_ENTRY_REMOVED, l->offset + e->position, 0, 0);
                return ABI_OK;
        }
        repair_tell_bitmap(reset ? ABI_REPAIR_BITMAP_RESET : ABI_REPAIR_BITMAP_REMOVED,
                           reason, fault, e->name, e->name_length);
        return reset ? keep(l, e, true) : ABI_OK;
}

/* ---- the new list
 * ----------------------------------------------------------------------- */

static uint64_t new_size(const struct list *l)
{
        uint64_t size = 0;
        for (uint32_t i = 0; i < l->kept_count; i++)
                size += directory_entry_length(l->kept[i].entry.name_length);
        return size;
}

static void store_list(const struct list *l, uint8_t *to)
{
        for (uint32_t i = 0; i < l->kept_count; i++) {
                const struct kept *k = &l->kept[i];
                struct directory_new_entry entry = {
                    .name = {k->entry.name, k->entry.name_length},
                    .table_offset = k->table_offset,
                    .table_entries = k->table_entries,
                    .flags = k->flags,
                    .granularity_bits = k->entry.granularity_bits};
                directory_store_entry(to, &entry);
                to += directory_entry_length(k->entry.name_length);
        }
}

/* A directory that the plan has made is written anew where it is. */
static enum abi_code store(struct list *l)
{
        struct repair *r = l->repair;
        uint64_t size = new_size(l);
        uint64_t room = 0;
        uint64_t offset = l->offset;
        uint8_t *bytes = repair_extent_at(r, offset, &room);
        if (!bytes || room < size)
                offset = repair_allocate(r, divide_up(size, r->h.cluster_size), &bytes);
        else
                memset(bytes, 0, room);
        if (!offset)
                return ABI_TOO_LARGE;
        store_list(l, bytes);
        uint8_t *body = r->header.now + r->h.bitmaps_record + QCOW2_EXTENSION_HEADER;
        store_be32(body, l->kept_count);
        store_be32(body + 4, 0);
        store_be64(body + 8, size);
        store_be64(body + 16, offset);
        repair_tell(ABI_REPAIR_DIRECTORY, l->kept_count, size, 0);
        return ABI_OK;
}

static enum abi_code read_list(struct list *l)
{
        struct repair *r = l->repair;
        const struct header *h = &r->h;
        uint64_t end = repair_end_at(r, h->directory_offset);
        const uint8_t *body = r->header.now + h->bitmaps_record + QCOW2_EXTENSION_HEADER;
        l->offset = h->directory_offset;
        l->size = h->directory_size;
        l->size_known = l->size && l->size <= QCOW2_MAX_DIRECTORY_SIZE &&
                        l->size % 8 == 0 && range_inside(l->offset, l->size, end);
        l->count = h->bitmap_count;
        l->count_known = l->count && l->count <= QCOW2_MAX_BITMAPS;
        l->limit = l->size_known ? l->size + QCOW2_ENTRY_FIXED + QCOW2_MAX_NAME + 1
                                 : MAX_UNKNOWN_SIZE;
        if (l->limit > end - l->offset)
                l->limit = end - l->offset;
        if (!l->size_known)
                l->size = 0;
        l->changed = !l->size_known || !l->count_known || load_be32(body + 4);
        l->bytes = arena_alloc(l->limit);
        l->kept = arena_alloc((l->limit / QCOW2_ENTRY_FIXED + 1) * sizeof *l->kept);
        if (!l->bytes || !l->kept || !names_start(l))
                return ABI_TOO_LARGE;
        repair_read(l->offset, l->bytes, l->limit);
        struct directory seen = {.bytes = l->bytes, .size = l->limit};
        table_readahead_start(
            h, &seen, l->counted ? TABLE_READAHEAD_TAILS : TABLE_READAHEAD_TABLES);
        return ABI_OK;
}

static enum abi_code go_through(struct list *l)
{
        struct directory_entry e;
        uint64_t position = 0;
        uint32_t seen = 0;
        enum abi_code code = read_list(l);
        while (!code && next_entry(l, &position, &seen, &e))
                code = judge(l, &e);
        if (seen != l->count)
                l->changed = true;
        return code;
}

static bool is_nowhere(const struct repair *r)
{
        const struct header *h = &r->h;
        return h->directory_offset % h->cluster_size ||
               h->directory_offset < h->cluster_size ||
               h->directory_offset >= repair_end_at(r, h->directory_offset);
}

static enum abi_code mend_list(struct repair *r, struct list *l)
{
        if (is_nowhere(r)) {
                repair_tell(ABI_REPAIR_LIST_REMOVED, r->h.directory_offset, 0, 0);
                repair_drop_bitmaps(r);
                return ABI_OK;
        }
        uint64_t mark = arena_mark();
        enum abi_code code = go_through(l);
        if (!code && l->changed) {
                if (l->kept_count)
                        code = store(l);
                else
                        repair_drop_bitmaps(r);
        }
        arena_release(mark);
        return code;
}

enum abi_code repair_bitmaps(struct repair *r)
{
        struct list list = {.repair = r};
        if (!r->h.has_bitmaps)
                return ABI_OK;
        if (r->h.autoclear & QCOW2_AUTOCLEAR_BITMAPS)
                return mend_list(r, &list);
        repair_tell(ABI_REPAIR_STALE_REMOVED, r->h.bitmap_count, 0, 0);
        repair_drop_bitmaps(r);
        return ABI_OK;
}

enum abi_code repair_shared(struct repair *r, const struct check *check, bool *changed)
{
        struct list list = {.repair = r, .counted = check};
        if (!r->h.has_bitmaps)
                return ABI_OK;
        list.changed =
            repair_is_shared(check, r->h.directory_offset, r->h.directory_size);
        enum abi_code code = mend_list(r, &list);
        *changed = list.changed;
        return code || !list.changed ? code : repair_header_done(r);
}
