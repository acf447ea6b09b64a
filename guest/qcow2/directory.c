/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/directory.h"

#include <string.h>

#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/fingerprint.h"
#include "guest/rt/reader.h"

enum abi_code directory_queue_read(const struct header *h, struct directory *directory)
{
        memset(directory, 0, sizeof *directory);
        if (!h->has_bitmaps || !h->bitmap_count)
                return ABI_OK;
        return directory_queue_bytes(h, directory);
}

enum abi_code directory_queue_bytes(const struct header *h, struct directory *directory)
{
        memset(directory, 0, sizeof *directory);
        directory->offset = h->directory_offset;
        directory->size = h->directory_size;
        directory->count = h->bitmap_count;
        directory->capacity =
            divide_up(h->directory_size, h->cluster_size) * h->cluster_size;
        directory->bytes = arena_alloc(directory->capacity);
        if (!directory->bytes)
                return ABI_TOO_LARGE;
        /* Of the slack only as much as the longest entry could need. */
        uint64_t wanted = directory->size + QCOW2_ENTRY_FIXED + QCOW2_MAX_NAME + 1;
        if (wanted > directory->capacity)
                wanted = directory->capacity;
        read_queue(directory->offset, directory->bytes, wanted);
        return ABI_OK;
}

static enum abi_code bad(const struct directory *directory, uint64_t position,
                         uint32_t index, enum abi_directory_fault fault)
{
        return fail(ABI_BAD_DIRECTORY, directory->offset + position, index, fault, 0);
}

bool directory_entry_at(const struct directory *directory, uint64_t position,
                        struct directory_entry *entry)
{
        if (!range_inside(position, QCOW2_ENTRY_FIXED, directory->size))
                return false;
        const uint8_t *b = directory->bytes + position;
        entry->position = position;
        entry->table_offset = load_be64(b);
        entry->table_entries = load_be32(b + 8);
        entry->flags = load_be32(b + QCOW2_ENTRY_FLAGS);
        entry->type = b[16];
        entry->granularity_bits = b[17];
        entry->name_length = load_be16(b + 18);
        entry->extra_length = load_be32(b + 20);
        uint64_t length = (uint64_t)QCOW2_ENTRY_FIXED + entry->extra_length;
        length = (length + entry->name_length + 7) & ~7ull;
        if (!range_inside(position, length, directory->size))
                return false;
        entry->length = (uint32_t)length;
        entry->name = b + QCOW2_ENTRY_FIXED + entry->extra_length;
        return true;
}

/* A bitmap that is in use, or stale, may carry the size of another time. */
static bool size_is_wrong(const struct header *h, const struct directory_entry *e)
{
        if (e->flags & QCOW2_BITMAP_IN_USE || header_is_stale(h))
                return false;
        return e->table_entries != bitmap_table_entries(h, e->granularity_bits);
}

enum abi_directory_fault directory_entry_fault(const struct header *h,
                                               const struct directory_entry *e)
{
        if (e->table_offset % h->cluster_size || e->table_offset < h->cluster_size)
                return ABI_DIRECTORY_TABLE_OFFSET;
        if (e->flags & ~(uint32_t)QCOW2_BITMAP_KNOWN_FLAGS)
                return ABI_DIRECTORY_FLAGS;
        if (e->type != QCOW2_BITMAP_TYPE_DIRTY)
                return ABI_DIRECTORY_TYPE;
        if (e->granularity_bits < QCOW2_MIN_GRANULARITY_BITS ||
            e->granularity_bits > QCOW2_MAX_GRANULARITY_BITS)
                return ABI_DIRECTORY_GRANULARITY;
        if (!e->name_length || e->name_length > QCOW2_MAX_NAME)
                return ABI_DIRECTORY_NAME_SIZE;
        if (!e->table_entries || e->table_entries > QCOW2_MAX_TABLE_ENTRIES ||
            e->table_entries * h->cluster_size > QCOW2_MAX_BITMAP_BYTES ||
            size_is_wrong(h, e))
                return ABI_DIRECTORY_TABLE_SIZE;
        const uint8_t *end = e->name + e->name_length;
        const uint8_t *entry_end =
            e->name - e->extra_length - QCOW2_ENTRY_FIXED + e->length;
        for (; end < entry_end; end++)
                if (*end)
                        return ABI_DIRECTORY_PADDING;
        return 0;
}

/*
 * Names seen so far: an open hash table of entry positions + 1, with 31 bits of the
 * hash above them, so that names chosen to meet in one slot cost a walk over slots
 * and not over entries.  A name with a NUL in it has a second slot for what stands in
 * front of the NUL, marked with the highest bit.
 */
struct name_set {
        uint64_t mask;
        uint64_t *slots;
};

#define SLOT_POSITION ((uint64_t)UINT32_MAX)
#define SLOT_TO_NUL   (1ull << 63)

static bool name_set_make(struct name_set *set, uint64_t count)
{
        uint64_t size = 16;
        while (size < 4 * count)
                size *= 2;
        set->mask = size - 1;
        set->slots = arena_alloc(size * sizeof *set->slots);
        return set->slots;
}

static bool same_name(const struct directory_entry *e, struct bitmap_name name)
{
        return e->name_length == name.length && !memcmp(e->name, name.bytes, name.length);
}

/* As C sees it. */
static struct bitmap_name name_to_nul(const struct directory_entry *e)
{
        uint32_t length = 0;
        while (length < e->name_length && e->name[length])
                length++;
        return (struct bitmap_name){e->name, length};
}

static bool same_to_nul(const struct directory_entry *e, struct bitmap_name name)
{
        struct bitmap_name own = name_to_nul(e);
        return own.length == name.length && !memcmp(own.bytes, name.bytes, name.length);
}

/* The slot of a name, whole or (`to_nul`) of the part of one, or an empty one. */
static uint64_t *name_set_find(struct name_set *set, const struct directory *directory,
                               struct bitmap_name name, bool to_nul, uint64_t *tag)
{
        uint64_t hash = fingerprint(name.bytes, name.length);
        uint64_t slot = hash & set->mask;
        *tag = hash & ~SLOT_POSITION & ~SLOT_TO_NUL;
        *tag |= to_nul ? SLOT_TO_NUL : 0;
        for (; set->slots[slot]; slot = (slot + 1) & set->mask) {
                struct directory_entry other;
                uint64_t position = (set->slots[slot] & SLOT_POSITION) - 1;
                if ((set->slots[slot] & ~SLOT_POSITION) == *tag &&
                    directory_entry_at(directory, position, &other) &&
                    (to_nul ? same_to_nul(&other, name) : same_name(&other, name)))
                        break;
        }
        return &set->slots[slot];
}

/* False if the name is there already. */
static bool name_set_add(struct name_set *set, const struct directory *directory,
                         const struct directory_entry *e, struct bitmap_name name,
                         bool to_nul)
{
        uint64_t tag;
        uint64_t *slot = name_set_find(set, directory, name, to_nul, &tag);
        if (*slot)
                return false;
        *slot = tag | (e->position + 1);
        return true;
}

static bool name_set_has(struct name_set *set, const struct directory *directory,
                         struct bitmap_name name, bool to_nul)
{
        uint64_t tag;
        return *name_set_find(set, directory, name, to_nul, &tag);
}

/* Entries with which QEMU would go on: their names count. */
static bool has_usable_name(const struct directory_entry *e,
                            enum abi_directory_fault fault)
{
        return !fault || fault == ABI_DIRECTORY_PADDING ||
               (fault == ABI_DIRECTORY_NAME_SIZE && !e->name_length);
}

/* QEMU passes over a bitmap in use whose name is there already. */
static enum abi_directory_fault name_fault(struct name_set *set,
                                           const struct directory *directory,
                                           const struct directory_entry *e)
{
        struct bitmap_name whole = {e->name, e->name_length};
        struct bitmap_name to_nul = name_to_nul(e);
        bool has_nul = to_nul.length < whole.length;
        bool is_new = name_set_add(set, directory, e, whole, false);
        bool is_same = name_set_has(set, directory, to_nul, !has_nul);
        if (has_nul && !name_set_add(set, directory, e, to_nul, true))
                is_same = true;
        bool in_use = e->flags & QCOW2_BITMAP_IN_USE;
        if (!is_new)
                return in_use ? ABI_DIRECTORY_DUPLICATE_IN_USE
                              : ABI_DIRECTORY_DUPLICATE_NAME;
        return is_same && !in_use ? ABI_DIRECTORY_SAME_TO_NUL : 0;
}

enum abi_code directory_visit(const struct header *h, const struct directory *directory,
                              directory_visitor *visit, void *context)
{
        uint64_t position = 0;
        uint32_t index = 0;
        struct name_set names;
        uint64_t mark = arena_mark();
        if (!directory->bytes)
                return ABI_OK;
        uint64_t most = directory->size / QCOW2_ENTRY_FIXED;
        if (!name_set_make(&names, most < QCOW2_MAX_BITMAPS ? most : QCOW2_MAX_BITMAPS))
                return ABI_TOO_LARGE;
        bool wanted = true;
        while (wanted && position != directory->size && index < QCOW2_MAX_BITMAPS) {
                struct directory_entry e;
                if (index == directory->count &&
                    !visit(context, NULL, position, index, ABI_DIRECTORY_COUNT))
                        break;
                if (!directory_entry_at(directory, position, &e)) {
                        visit(context, NULL, position, index, ABI_DIRECTORY_TRUNCATED);
                        break;
                }
                enum abi_directory_fault fault = directory_entry_fault(h, &e);
                enum abi_directory_fault same = 0;
                if (has_usable_name(&e, fault))
                        same = name_fault(&names, directory, &e);
                if (!fault || same == ABI_DIRECTORY_DUPLICATE_NAME)
                        fault = same;
                wanted = visit(context, &e, position, index, fault);
                position += e.length;
                index++;
        }
        if (wanted && position == directory->size && index < directory->count)
                visit(context, NULL, position, index, ABI_DIRECTORY_COUNT);
        arena_release(mark);
        return ABI_OK;
}

/* The first fault. */
struct verdict {
        const struct directory *directory;
        enum abi_code code;
};

static bool judge(void *context, const struct directory_entry *entry, uint64_t position,
                  uint32_t index, enum abi_directory_fault fault)
{
        struct verdict *verdict = context;
        (void)entry;
        if (fault == ABI_DIRECTORY_SAME_TO_NUL)
                fault = 0; /* two names, says the format */
        if (fault)
                verdict->code = bad(verdict->directory, position, index, fault);
        return !fault;
}

enum abi_code directory_check(const struct header *h, const struct directory *directory)
{
        struct verdict verdict = {directory, ABI_OK};
        enum abi_code code = directory_visit(h, directory, judge, &verdict);
        return code ? code : verdict.code;
}

bool directory_find(const struct directory *directory, struct bitmap_name name,
                    struct directory_entry *entry)
{
        uint64_t position = 0;
        while (directory_entry_at(directory, position, entry)) {
                if (same_name(entry, name))
                        return true;
                position += entry->length;
        }
        return false;
}

uint32_t directory_entry_length(uint32_t name_length)
{
        return (QCOW2_ENTRY_FIXED + name_length + 7) & ~7u;
}

void directory_store_entry(uint8_t *bytes, const struct directory_new_entry *entry)
{
        store_be64(bytes, entry->table_offset);
        store_be32(bytes + 8, entry->table_entries);
        store_be32(bytes + QCOW2_ENTRY_FLAGS, entry->flags);
        bytes[16] = QCOW2_BITMAP_TYPE_DIRTY;
        bytes[17] = entry->granularity_bits;
        store_be16(bytes + 18, (uint16_t)entry->name.length);
        memcpy(bytes + QCOW2_ENTRY_FIXED, entry->name.bytes, entry->name.length);
}
