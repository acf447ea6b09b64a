/* SPDX-License-Identifier: MIT */
#include "tests/native/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/native/reader_internal.h"

#define HASH_START 0xcbf29ce484222325ull

#define TYPE_BITMAPS 0x23852875u
#define TYPE_PADDING 0x696e7374u /* what instar passes over records with */

bool reader_fail(struct walk *walk, const char *format, ...)
{
        va_list arguments;
        if (walk->read->error[0])
                return false;
        va_start(arguments, format);
        vsnprintf(walk->read->error, sizeof walk->read->error, format, arguments);
        va_end(arguments);
        return false;
}

/* Bytes of the file; those behind its end read as zeros.  NULL beyond what there can
 * be at all. */
static const uint8_t *bytes_at(const struct walk *walk, uint64_t offset, uint64_t length)
{
        const struct native_image *file = walk->file;
        if (offset > file->capacity || length > file->capacity - offset)
                return NULL;
        return file->bytes + offset;
}

uint64_t reader_u64(const struct walk *walk, uint64_t offset)
{
        const uint8_t *at = bytes_at(walk, offset, 8);
        uint64_t value;
        if (!at)
                return 0;
        memcpy(&value, at, sizeof value);
        return __builtin_bswap64(value);
}

uint32_t reader_u32(const struct walk *walk, uint64_t offset)
{
        return (uint32_t)(reader_u64(walk, offset) >> 32);
}

uint32_t reader_u16(const struct walk *walk, uint64_t offset)
{
        return (uint32_t)(reader_u64(walk, offset) >> 48);
}

/* FNV-1a over words, zeros at the end included. */
uint64_t reader_hash(uint64_t hash, const void *bytes, uint64_t length)
{
        const uint8_t *at = bytes;
        for (uint64_t i = 0; i < length; i += 8) {
                uint64_t word = 0;
                memcpy(&word, at + i, length - i < 8 ? length - i : 8);
                hash = (hash ^ word) * 0x100000001b3ull;
                hash ^= hash >> 29;
        }
        return hash;
}

uint64_t reader_hash_file(uint64_t hash, const struct walk *walk, uint64_t offset,
                          uint64_t length)
{
        const uint8_t *at = bytes_at(walk, offset, length);
        return at ? reader_hash(hash, at, length) : hash + 1;
}

bool reader_count(struct walk *walk, uint64_t offset, uint64_t length, const char *what)
{
        uint64_t size = walk->read->cluster_size;
        uint64_t end;
        if (!length)
                return true;
        if (__builtin_add_overflow(offset, length, &end) || end > walk->clusters * size)
                return reader_fail(walk, "%s at %llu is outside the file", what,
                                   (unsigned long long)offset);
        for (uint64_t c = offset / size; c <= (end - 1) / size; c++)
                walk->counted[c]++;
        return true;
}

/* ---- header --------------------------------------------------------------------- */

static bool read_header(struct walk *walk)
{
        struct read_image *read = walk->read;
        if (walk->file->size < 104 || reader_u32(walk, 0) != 0x514649fb ||
            reader_u32(walk, 4) != 3)
                return reader_fail(walk, "no qcow2 v3 header");
        read->cluster_bits = reader_u32(walk, 20);
        if (read->cluster_bits < 9 || read->cluster_bits > 21)
                return reader_fail(walk, "cluster_bits %u", read->cluster_bits);
        read->cluster_size = 1ull << read->cluster_bits;
        read->virtual_size = reader_u64(walk, 24) / 512 * 512; /* whole sectors */
        read->autoclear = reader_u64(walk, 88);
        walk->backing_offset = reader_u64(walk, 8);
        walk->backing_size = reader_u32(walk, 16);
        walk->l1_entries = reader_u32(walk, 36);
        walk->l1 = reader_u64(walk, 40);
        walk->refcount_table = reader_u64(walk, 48);
        walk->refcount_table_clusters = reader_u32(walk, 56);
        walk->snapshot_count = reader_u32(walk, 60);
        walk->snapshots = reader_u64(walk, 64);
        walk->incompatible = reader_u64(walk, 72);
        walk->header_length = reader_u32(walk, 100);
        if (walk->header_length < 104 || walk->header_length > read->cluster_size ||
            reader_u32(walk, 96) != 4 || walk->incompatible & ~28ull)
                return reader_fail(walk, "header fields");
        if (walk->backing_offset &&
            (walk->backing_offset + walk->backing_size > read->cluster_size ||
             walk->backing_size > 1023 || walk->backing_offset < walk->header_length))
                return reader_fail(walk, "backing file name");
        return true;
}

/* All fields but the backing name's offset, the refcount table, autoclear. */
static void hash_header(struct walk *walk)
{
        struct read_image *read = walk->read;
        uint64_t hash = reader_hash_file(HASH_START, walk, 0, 8);
        hash = reader_hash_file(hash, walk, 16, 32);
        hash = reader_hash_file(hash, walk, 60, 28);
        hash = reader_hash_file(hash, walk, 96, walk->header_length - 96);
        read->header_hash = hash;
        if (walk->backing_offset)
                read->backing_hash = reader_hash_file(
                    HASH_START, walk, walk->backing_offset, walk->backing_size);
}

static bool read_bitmaps_record(struct walk *walk, uint32_t at, uint32_t length)
{
        struct read_image *read = walk->read;
        if (length != 24)
                return reader_fail(walk, "bitmaps extension of %u bytes", length);
        if (read->extension_at)
                return reader_fail(walk, "two bitmaps extensions");
        read->extension_at = at;
        if (!(read->autoclear & 1))
                read->stale = true;
        read->bitmap_count = reader_u32(walk, at + 8);
        read->directory_size = reader_u64(walk, at + 16);
        read->directory_offset = reader_u64(walk, at + 24);
        read->has_extension = read->bitmap_count != 0;
        if (read->stale && !read->bitmap_count)
                return true; /* an emptied record */
        if (!read->bitmap_count || reader_u32(walk, at + 12) || !read->directory_size ||
            read->directory_offset % read->cluster_size || !read->directory_offset)
                return reader_fail(walk, "bitmaps extension's body");
        return true;
}

static bool read_extensions(struct walk *walk)
{
        struct read_image *read = walk->read;
        uint64_t limit = walk->backing_offset ? walk->backing_offset : read->cluster_size;
        uint64_t hash = HASH_START;
        for (uint64_t at = walk->header_length; at + 8 <= limit;) {
                uint32_t type = reader_u32(walk, at);
                uint32_t length = reader_u32(walk, at + 4);
                if (!type)
                        break;
                if (length > limit - at - 8)
                        return reader_fail(walk, "extension at %llu is too long",
                                           (unsigned long long)at);
                if (type == TYPE_BITMAPS &&
                    !read_bitmaps_record(walk, (uint32_t)at, length))
                        return false;
                if (type != TYPE_BITMAPS && type != TYPE_PADDING)
                        hash = reader_hash_file(hash, walk, at, 8 + (uint64_t)length);
                at += 8 + (((uint64_t)length + 7) & ~7ull);
        }
        read->extension_hash = hash;
        if (read->autoclear & 1 && !read->extension_at)
                return reader_fail(walk, "autoclear bit without an extension");
        return true;
}

/* ---- the whole --------------------------------------------------------------------- */

void read_image(const struct native_image *file, struct read_image *read)
{
        struct walk walk = {.read = read, .file = file};
        memset(read, 0, sizeof *read);
        read->file = file;
        if (!read_header(&walk))
                return;
        hash_header(&walk);
        walk.clusters = (file->size + read->cluster_size - 1) / read->cluster_size;
        walk.counted = calloc(walk.clusters + 1, sizeof *walk.counted);
        if (!walk.counted)
                abort();
        if (read_extensions(&walk) &&
            reader_count(&walk, 0, read->cluster_size, "header") && reader_guest(&walk) &&
            reader_bitmaps(&walk))
                reader_refcounts(&walk);
        free(walk.counted);
}

void read_image_free(struct read_image *read)
{
        for (uint32_t i = 0; read->bitmaps && i < read->bitmap_count; i++)
                free(read->bitmaps[i].bits);
        free(read->bitmaps);
        read->bitmaps = NULL;
}

const struct read_bitmap *read_find(const struct read_image *read, const void *name,
                                    size_t length)
{
        for (uint32_t i = 0; read->bitmaps && i < read->bitmap_count; i++)
                if (read->bitmaps[i].name_length == length &&
                    !memcmp(read->bitmaps[i].name, name, length))
                        return &read->bitmaps[i];
        return NULL;
}

bool read_bit(const struct read_bitmap *bitmap, uint64_t index)
{
        return bitmap->bits[index / 8] >> (index % 8) & 1;
}

bool read_same_bitmap(const struct read_bitmap *a, const struct read_bitmap *b)
{
        return a->name_length == b->name_length &&
               !memcmp(a->name, b->name, a->name_length) && a->flags == b->flags &&
               a->granularity_bits == b->granularity_bits &&
               a->extra_hash == b->extra_hash && a->extra_length == b->extra_length &&
               a->has_bits == b->has_bits && a->bits_length == b->bits_length &&
               (!a->has_bits || !memcmp(a->bits, b->bits, a->bits_length));
}

bool read_same_list(const struct read_image *a, const struct read_image *b)
{
        if (a->bitmap_count != b->bitmap_count ||
            (a->bitmap_count && a->stale != b->stale))
                return false;
        for (uint32_t i = 0; i < a->bitmap_count; i++)
                if (!read_same_bitmap(&a->bitmaps[i], &b->bitmaps[i]))
                        return false;
        return true;
}

const char *read_difference(const struct read_image *a, const struct read_image *b)
{
        if (a->header_hash != b->header_hash)
                return "header fields";
        if (a->backing_hash != b->backing_hash)
                return "backing file name";
        if (a->extension_hash != b->extension_hash)
                return "header extensions";
        if (a->guest_hash != b->guest_hash)
                return "guest data";
        if (a->snapshot_hash != b->snapshot_hash)
                return "snapshots";
        return NULL;
}
