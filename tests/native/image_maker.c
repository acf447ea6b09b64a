/* SPDX-License-Identifier: MIT */
#include "tests/native/image_maker.h"

#include <stdlib.h>
#include <string.h>

#define COPIED (1ull << 63)

struct maker {
        struct native_image *image;
        struct made_options o;
        struct made_places *places;
        uint64_t size; /* of a cluster */
        uint64_t next; /* cluster */
        uint16_t *refcounts;
        uint64_t refcount_room;
        uint64_t blocks;
        uint64_t l1_entries;
};

static void store(struct native_image *image, uint64_t offset, uint64_t value,
                  uint32_t bytes)
{
        uint8_t raw[8];
        for (uint32_t i = 0; i < bytes; i++)
                raw[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
        if (!native_image_write(image, offset, raw, bytes))
                abort();
}

void poke64(struct native_image *image, uint64_t offset, uint64_t value)
{
        store(image, offset, value, 8);
}

void poke32(struct native_image *image, uint64_t offset, uint32_t value)
{
        store(image, offset, value, 4);
}

void poke16(struct native_image *image, uint64_t offset, uint16_t value)
{
        store(image, offset, value, 2);
}

uint64_t peek64(const struct native_image *image, uint64_t offset)
{
        uint64_t value;
        native_image_read(image, offset, &value, sizeof value);
        return __builtin_bswap64(value);
}

static uint64_t refcount_offset(const struct native_image *image, uint64_t cluster)
{
        uint32_t bits = (uint32_t)(peek64(image, 20) >> 32);
        uint64_t table = peek64(image, 48);
        uint64_t block = peek64(image, table + (cluster >> (bits - 1)) * 8);
        if (!block)
                abort();
        return block + (cluster & ((1ull << (bits - 1)) - 1)) * 2;
}

void poke_refcount(struct native_image *image, uint64_t cluster, uint16_t value)
{
        poke16(image, refcount_offset(image, cluster), value);
}

uint16_t peek_refcount(const struct native_image *image, uint64_t cluster)
{
        return (uint16_t)(peek64(image, refcount_offset(image, cluster)) >> 48);
}

/* `count` clusters in a row; the offset of the first. */
static uint64_t take(struct maker *m, uint64_t count, uint16_t refcount)
{
        uint64_t first = m->next;
        m->next += count;
        if (m->next > m->refcount_room)
                abort();
        for (uint64_t i = 0; i < count; i++)
                m->refcounts[first + i] = refcount;
        return first * m->size;
}

static uint64_t clusters_of(const struct maker *m, uint64_t bytes)
{
        return (bytes + m->size - 1) / m->size;
}

static void fill_random(struct native_image *image, uint64_t offset, uint64_t length,
                        uint32_t seed)
{
        uint64_t state = seed * 0x9e3779b97f4a7c15ull + offset + 1;
        for (uint64_t i = 0; i < length; i += 8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                uint64_t word = state & (state << 9); /* a quarter of the bits */
                uint64_t rest = length - i < 8 ? length - i : 8;
                if (!native_image_write(image, offset + i, &word, rest))
                        abort();
        }
}

/* ---- the virtual machine's part ------------------------------------------------- */

static void make_guest(struct maker *m)
{
        uint64_t per_l2 = m->size / 8;
        uint16_t references = (uint16_t)(1 + m->o.snapshots);
        m->l1_entries = (m->o.virtual_size + m->size * per_l2 - 1) / (m->size * per_l2);
        m->places->l1 = take(m, clusters_of(m, m->l1_entries * 8), 1);
        for (uint64_t done = 0; done < m->o.data_clusters; done += per_l2) {
                uint64_t here = m->o.data_clusters - done;
                here = here < per_l2 ? here : per_l2;
                uint64_t l2 = take(m, 1, references);
                uint64_t data = take(m, here, references);
                uint64_t copied = references == 1 ? COPIED : 0;
                if (!done)
                        m->places->first_data = data;
                poke64(m->image, m->places->l1 + done / per_l2 * 8, l2 | copied);
                for (uint64_t i = 0; i < here; i++) {
                        poke64(m->image, l2 + i * 8, (data + i * m->size) | copied);
                        /* A few bytes each: large images stay cheap. */
                        fill_random(m->image, data + i * m->size, 64, 77);
                }
        }
}

/* Every snapshot has an L1 table of its own over the same L2 tables. */
static void make_snapshots(struct maker *m)
{
        uint64_t table = 0;
        if (!m->o.snapshots)
                return;
        table = take(m, clusters_of(m, m->o.snapshots * 64ull), 1);
        m->places->snapshot_table = table;
        for (uint32_t i = 0; i < m->o.snapshots; i++) {
                uint64_t l1 = take(m, clusters_of(m, m->l1_entries * 8), 1);
                uint64_t at = table + i * 64ull;
                for (uint64_t e = 0; e < m->l1_entries; e++)
                        poke64(m->image, l1 + e * 8,
                               peek64(m->image, m->places->l1 + e * 8) & ~COPIED);
                poke64(m->image, at, l1);
                poke32(m->image, at + 8, (uint32_t)m->l1_entries);
                poke16(m->image, at + 12, 1);  /* id */
                poke16(m->image, at + 14, 2);  /* name */
                poke32(m->image, at + 36, 16); /* extra data */
                poke64(m->image, at + 48, m->o.virtual_size);
                poke32(m->image, at + 56, 0x31736e00u + (i << 24)); /* "1sn" */
        }
}

/* ---- bitmaps ------------------------------------------------------------------------
 */

static uint64_t make_entry(struct maker *m, const struct made_bitmap *b, uint64_t index,
                           uint64_t length)
{
        uint64_t choice = (b->seed + index) % 3;
        if (b->fill == MADE_EMPTY || (b->fill == MADE_SPARSE && choice == 0))
                return 0;
        if (b->fill == MADE_ONES || (b->fill == MADE_SPARSE && choice == 1))
                return 1;
        uint64_t data = take(m, 1, 1);
        fill_random(m->image, data, length, b->seed);
        if (b->dirty_tail)
                for (uint64_t i = length ? length - 1 : 0; i < m->size; i++)
                        native_image_write(m->image, data + i, "\xff", 1);
        return data;
}

/* The bits of the last byte that lie behind the end of the disk are zero. */
static void mask_tail(struct maker *m, uint64_t entry, uint64_t bits, uint64_t byte)
{
        uint8_t last;
        if (entry <= 1 || bits % 8 == 0)
                return;
        native_image_read(m->image, entry + byte, &last, 1);
        last &= (uint8_t)((1u << bits % 8) - 1);
        native_image_write(m->image, entry + byte, &last, 1);
}

static uint32_t make_table(struct maker *m, const struct made_bitmap *b, uint64_t *table)
{
        uint64_t bits = (m->o.virtual_size + (1ull << b->granularity_bits) - 1) >>
                        b->granularity_bits;
        uint64_t bytes = (bits + 7) / 8;
        uint64_t entries = clusters_of(m, bytes);
        *table = take(m, clusters_of(m, entries * 8), 1);
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t left = bytes - i * m->size;
                uint64_t length = left < m->size ? left : m->size;
                uint64_t entry = make_entry(m, b, i, length);
                if (i == entries - 1 && !b->dirty_tail)
                        mask_tail(m, entry, bits, length - 1);
                if (entry)
                        poke64(m->image, *table + i * 8, entry);
        }
        return (uint32_t)entries;
}

static uint32_t name_length(const struct made_bitmap *b)
{
        return b->name_length ? b->name_length : (uint32_t)strlen(b->name);
}

static uint64_t entry_length(const struct made_bitmap *b)
{
        return (24ull + b->extra_length + name_length(b) + 7) & ~7ull;
}

static void make_bitmaps(struct maker *m)
{
        uint32_t entries[MADE_MAX_BITMAPS];
        struct made_places *p = m->places;
        for (uint32_t i = 0; i < m->o.bitmap_count; i++) {
                if (!m->o.bitmaps[i].granularity_bits)
                        m->o.bitmaps[i].granularity_bits = 16;
                entries[i] = make_table(m, &m->o.bitmaps[i], &p->tables[i]);
                p->directory_size += entry_length(&m->o.bitmaps[i]);
        }
        if (!m->o.bitmap_count)
                return;
        p->directory = take(m, clusters_of(m, p->directory_size), 1);
        uint64_t at = p->directory;
        for (uint32_t i = 0; i < m->o.bitmap_count; i++) {
                const struct made_bitmap *b = &m->o.bitmaps[i];
                p->entries[i] = at;
                poke64(m->image, at, p->tables[i]);
                poke32(m->image, at + 8, entries[i]);
                poke32(m->image, at + 12, b->flags);
                poke32(m->image, at + 16,
                       1u << 24 | b->granularity_bits << 16 | name_length(b));
                poke32(m->image, at + 20, b->extra_length);
                for (uint32_t e = 0; e < b->extra_length; e++)
                        native_image_write(m->image, at + 24 + e, "\x5a", 1);
                native_image_write(m->image, at + 24 + b->extra_length, b->name,
                                   name_length(b));
                at += entry_length(b);
        }
}

/* ---- header
 * ---------------------------------------------------------------------------- */

static uint64_t make_record(struct maker *m, uint64_t at, uint32_t type, uint32_t length)
{
        poke32(m->image, at, type);
        poke32(m->image, at + 4, length);
        for (uint32_t i = 0; i < length; i++)
                native_image_write(m->image, at + 8 + i, "\xab", 1);
        return at + 8 + ((length + 7) & ~7u);
}

static void make_extensions(struct maker *m)
{
        struct made_places *p = m->places;
        uint64_t at = m->o.header_length;
        if (m->o.record_before)
                at = make_record(m, at, 0x11111111, m->o.record_before);
        if (m->o.bitmap_count || m->o.emptied_record) {
                p->bitmaps_record = at;
                at = make_record(m, at, 0x23852875, 24);
                poke32(m->image, at - 24, m->o.bitmap_count);
                poke32(m->image, at - 20, 0);
                poke64(m->image, at - 16, p->directory_size);
                poke64(m->image, at - 8, p->directory);
        }
        if (m->o.record_behind)
                at = make_record(m, at, 0x22222222, m->o.record_behind);
        at += 8; /* END */
        if (m->o.backing) {
                poke64(m->image, 8, at);
                poke32(m->image, 16, (uint32_t)strlen(m->o.backing));
                native_image_write(m->image, at, m->o.backing, strlen(m->o.backing));
                at += strlen(m->o.backing);
        }
        if (at > m->size)
                abort();
}

static void make_header(struct maker *m)
{
        struct native_image *image = m->image;
        bool valid = m->o.bitmap_count && !m->o.stale;
        poke32(image, 0, 0x514649fb);
        poke32(image, 4, 3);
        poke32(image, 20, m->o.cluster_bits);
        poke64(image, 24, m->o.virtual_size);
        poke32(image, 36, (uint32_t)m->l1_entries);
        poke64(image, 40, m->places->l1);
        poke64(image, 48, m->places->refcount_table);
        poke32(image, 56, m->o.refcount_table_clusters);
        poke32(image, 60, m->o.snapshots);
        poke64(image, 64, m->places->snapshot_table);
        poke64(image, 72, m->o.incompatible);
        poke64(image, 80, m->o.compatible);
        poke64(image, 88, m->o.autoclear | valid);
        poke32(image, 96, 4);
        poke32(image, 100, m->o.header_length);
        make_extensions(m);
}

/* ---- refcounts
 * -------------------------------------------------------------------------- */

static void make_refcounts(struct maker *m)
{
        uint64_t per_block = m->size / 2;
        for (uint64_t i = 0; i < m->blocks; i++)
                poke64(m->image, m->places->refcount_table + i * 8,
                       m->places->refcount_block + i * m->size);
        for (uint64_t c = 0; c < m->next; c++)
                if (m->refcounts[c])
                        poke16(m->image,
                               m->places->refcount_block + c / per_block * m->size +
                                   c % per_block * 2,
                               m->refcounts[c]);
}

/* One attempt with `blocks` refcount blocks; false if they are too few. */
static bool attempt(struct maker *m)
{
        uint64_t per_block = m->size / 2;
        native_image_clear(m->image);
        memset(m->places, 0, sizeof *m->places);
        memset(m->refcounts, 0, m->refcount_room * sizeof *m->refcounts);
        m->next = 0;
        take(m, 1, 1);
        uint64_t table_clusters = clusters_of(m, m->blocks * 8);
        if (m->o.refcount_table_clusters < table_clusters)
                m->o.refcount_table_clusters = (uint32_t)table_clusters;
        m->places->refcount_table = take(m, m->o.refcount_table_clusters, 1);
        m->places->refcount_block = take(m, m->blocks, 1);
        make_guest(m);
        make_snapshots(m);
        m->places->free_clusters = take(m, m->o.free_clusters, 0);
        make_bitmaps(m);
        if (m->next > m->blocks * per_block) {
                m->blocks = (m->next + per_block - 1) / per_block;
                return false;
        }
        make_header(m);
        make_refcounts(m);
        uint64_t end = m->next * m->size;
        for (uint64_t i = 0; i < m->o.cut && !m->image->bytes[end - 1]; i++)
                end--;
        return native_image_resize(m->image, end);
}

void make_image(struct native_image *image, const struct made_options *options,
                struct made_places *places)
{
        struct made_places ignored;
        struct maker m = {.image = image, .o = *options, .blocks = 1};
        m.places = places ? places : &ignored;
        if (!m.o.cluster_bits)
                m.o.cluster_bits = 16;
        if (!m.o.virtual_size)
                m.o.virtual_size = 64ull << 20;
        if (!m.o.header_length)
                m.o.header_length = 112;
        m.size = 1ull << m.o.cluster_bits;
        m.refcount_room = image->capacity / m.size;
        m.refcounts = calloc(m.refcount_room, sizeof *m.refcounts);
        if (!m.refcounts)
                abort();
        while (!attempt(&m))
                ;
        free(m.refcounts);
}
