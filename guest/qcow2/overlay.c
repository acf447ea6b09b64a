/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/overlay.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/reader.h"

#define WORD        8u
#define ARENA_SHARE 8u    /* of the arena, for words: one part in so many */
#define POOL_SHARE  4u    /* the same, for extents */
#define MAX_READS   2048u /* under way at a time */

struct read {
        uint64_t offset;
        uint64_t length;
        uint8_t *destination;
};

static struct overlay *current;
static struct read reads[MAX_READS];
static uint32_t read_count;

/* ---- reading ----------------------------------------------------------------------- */

static uint32_t *slot_of(const struct overlay *o, uint64_t sector)
{
        uint64_t slot = sector * 0x9e3779b97f4a7c15ull >> 20 & o->mask;
        while (o->slots[slot] &&
               o->words[o->slots[slot] - 1].offset / ABI_SECTOR != sector)
                slot = (slot + 1) & o->mask;
        return &o->slots[slot];
}

/* Copy what [offset, +length) has in common with the read. */
static void show(const struct read *read, uint64_t offset, const uint8_t *bytes,
                 uint64_t length)
{
        uint64_t skipped = read->offset > offset ? read->offset - offset : 0;
        uint64_t place = offset > read->offset ? offset - read->offset : 0;
        if (skipped >= length || place >= read->length)
                return;
        length -= skipped;
        if (length > read->length - place)
                length = read->length - place;
        memcpy(read->destination + place, bytes + skipped, length);
}

static void show_words(const struct overlay *o, const struct read *read)
{
        uint64_t last = (read->offset + read->length - 1) / ABI_SECTOR;
        for (uint64_t sector = read->offset / ABI_SECTOR; sector <= last; sector++)
                for (uint32_t i = *slot_of(o, sector); i; i = o->words[i - 1].next) {
                        uint8_t bytes[WORD];
                        store_be64(bytes, o->words[i - 1].values.now);
                        show(read, o->words[i - 1].offset, bytes, WORD);
                }
}

static void arrived(void)
{
        for (uint32_t i = 0; i < read_count; i++) {
                for (uint32_t e = 0; e < current->extent_count; e++)
                        show(&reads[i], current->extents[e].offset,
                             current->extents[e].bytes, current->extents[e].length);
                if (current->count)
                        show_words(current, &reads[i]);
        }
        read_count = 0;
}

static void queued(uint64_t offset, void *destination, uint64_t length)
{
        if (read_count == MAX_READS)
                read_flush();
        reads[read_count++] = (struct read){offset, length, destination};
}

/* ---- start and stop ---------------------------------------------------------------- */

static const struct read_overlay through = {queued, arrived};

enum abi_code overlay_start(struct overlay *o)
{
        uint64_t slots = 1024;
        memset(o, 0, sizeof *o);
        while (slots * 2 * (sizeof *o->slots + sizeof *o->words / 2) <=
               arena_left() / ARENA_SHARE)
                slots *= 2;
        o->capacity = slots / 2;
        o->mask = slots - 1;
        o->slots = arena_alloc(slots * sizeof *o->slots);
        o->words = arena_alloc(o->capacity * sizeof *o->words);
        o->pool_left = arena_left() / POOL_SHARE / 16 * 16;
        o->pool = arena_alloc(o->pool_left);
        if (!o->slots || !o->words || !o->pool)
                return ABI_TOO_LARGE;
        current = o;
        read_count = 0;
        read_through(&through);
        return ABI_OK;
}

void overlay_stop(void)
{
        read_through(NULL);
        current = NULL;
}

/* ---- changing ---------------------------------------------------------------------- */

static struct overlay_word *find(const struct overlay *o, uint64_t offset)
{
        uint32_t i = *slot_of(o, offset / ABI_SECTOR);
        while (i && o->words[i - 1].offset != offset)
                i = o->words[i - 1].next;
        return i ? &o->words[i - 1] : NULL;
}

static bool put_into_extent(struct overlay *o, uint64_t offset, uint64_t now)
{
        for (uint32_t i = 0; i < o->extent_count; i++)
                if (offset - o->extents[i].offset < o->extents[i].length) {
                        store_be64(o->extents[i].bytes + (offset - o->extents[i].offset),
                                   now);
                        return true;
                }
        return false;
}

enum abi_code overlay_put(struct overlay *o, enum overlay_kind kind, uint64_t offset,
                          uint64_t seen, struct overlay_values values)
{
        if (put_into_extent(o, offset, values.now))
                return ABI_OK;
        struct overlay_word *word = find(o, offset);
        if (!word) {
                if (o->count == o->capacity)
                        return ABI_TOO_LARGE;
                uint32_t *slot = slot_of(o, offset / ABI_SECTOR);
                word = &o->words[o->count++];
                *word =
                    (struct overlay_word){.offset = offset, .old = seen, .next = *slot};
                *slot = (uint32_t)o->count;
        }
        word->kind = kind;
        word->values = values;
        return ABI_OK;
}

enum abi_code overlay_put_bytes(struct overlay *o, enum overlay_kind kind,
                                uint64_t offset, const uint8_t *seen, const uint8_t *now,
                                uint64_t length)
{
        enum abi_code code = ABI_OK;
        for (uint64_t i = 0; i < length && !code; i += WORD)
                if (memcmp(seen + i, now + i, WORD))
                        code = overlay_set(o, kind, offset + i, load_be64(seen + i),
                                           load_be64(now + i));
        return code;
}

uint8_t *overlay_extent(struct overlay *o, uint64_t offset, uint64_t length)
{
        uint8_t *bytes = o->pool;
        if (length > o->pool_left || o->extent_count == OVERLAY_MAX_EXTENTS)
                return NULL;
        o->pool += length;
        o->pool_left -= length;
        o->extents[o->extent_count++] =
            (struct overlay_extent){offset, length, bytes, false};
        return bytes;
}

bool overlay_has(const struct overlay *o, uint64_t offset)
{
        return find(o, offset);
}

bool overlay_is_empty(const struct overlay *o)
{
        for (uint64_t i = 0; i < o->count; i++)
                if (o->words[i].old != o->words[i].values.first ||
                    o->words[i].values.first != o->words[i].values.now)
                        return false;
        return !o->extent_count;
}

/* ---- order --------------------------------------------------------------------------
 */

static void sift_down(struct overlay_word *words, uint64_t root, uint64_t count)
{
        for (;;) {
                uint64_t child = 2 * root + 1;
                if (child >= count)
                        return;
                if (child + 1 < count && words[child + 1].offset > words[child].offset)
                        child++;
                if (words[root].offset >= words[child].offset)
                        return;
                struct overlay_word word = words[root];
                words[root] = words[child];
                words[child] = word;
                root = child;
        }
}

void overlay_sort(struct overlay *o)
{
        for (uint64_t root = o->count / 2; root--;)
                sift_down(o->words, root, o->count);
        for (uint64_t left = o->count; left-- > 1;) {
                struct overlay_word word = o->words[0];
                o->words[0] = o->words[left];
                o->words[left] = word;
                sift_down(o->words, 0, left);
        }
}
