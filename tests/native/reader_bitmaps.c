/* SPDX-License-Identifier: MIT */
/* "Bitmap directory", "Bitmap table", "Bitmap data" of the qcow2 specification. */
#include <stdlib.h>
#include <string.h>

#include "tests/native/reader_internal.h"

#define FLAG_IN_USE 1u

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
        return a / b + (a % b != 0);
}

/* One entry of the table, with the bits it stands for. */
static bool read_entry(struct walk *walk, struct read_bitmap *bitmap, uint64_t index)
{
        uint64_t size = walk->read->cluster_size;
        uint64_t entry = reader_u64(walk, bitmap->table_offset + index * 8);
        uint64_t at = index * size;
        uint64_t length = at < bitmap->bits_length ? bitmap->bits_length - at : 0;
        length = length < size ? length : size;
        if (entry & 0xff000000000001feull || (entry > 1 && entry % size))
                return reader_fail(walk, "table entry %llx", (unsigned long long)entry);
        bitmap->ones_entries += entry == 1;
        if (entry <= 1) {
                if (bitmap->has_bits)
                        memset(bitmap->bits + at, entry ? 0xff : 0, length);
                return true;
        }
        bitmap->data_clusters++;
        if (!reader_count(walk, entry, size, "bitmap data"))
                return false;
        if (bitmap->has_bits)
                native_image_read(walk->file, entry, bitmap->bits + at, length);
        return true;
}

static bool read_bits(struct walk *walk, struct read_bitmap *bitmap)
{
        uint64_t size = walk->read->cluster_size;
        uint64_t bits =
            ceil_div(walk->read->virtual_size, 1ull << bitmap->granularity_bits);
        bitmap->bits_length = ceil_div(bits, 8);
        if (bitmap->bits_length > 512ull << 20)
                return reader_fail(walk, "bitmap of %llu bytes",
                                   (unsigned long long)bitmap->bits_length);
        if (bitmap->has_bits &&
            bitmap->table_entries != ceil_div(bitmap->bits_length, size))
                return reader_fail(walk, "table of %u entries", bitmap->table_entries);
        if (!reader_count(walk, bitmap->table_offset, bitmap->table_entries * 8ull,
                          "bitmap table"))
                return false;
        bitmap->bits = calloc(bitmap->bits_length + 1, 1);
        if (!bitmap->bits)
                abort();
        for (uint64_t i = 0; i < bitmap->table_entries; i++)
                if (!read_entry(walk, bitmap, i))
                        return false;
        if (bitmap->has_bits && bits % 8) /* readers ignore the tail */
                bitmap->bits[bits / 8] &= (uint8_t)((1u << bits % 8) - 1);
        return true;
}

static bool load_entry(struct walk *walk, uint64_t at, struct read_bitmap *bitmap)
{
        uint32_t fixed = reader_u32(walk, at + 16);
        bitmap->table_offset = reader_u64(walk, at);
        bitmap->table_entries = reader_u32(walk, at + 8);
        bitmap->flags = reader_u32(walk, at + 12);
        bitmap->granularity_bits = fixed >> 16 & 0xff;
        bitmap->name_length = fixed & 0xffff;
        bitmap->extra_length = reader_u32(walk, at + 20);
        bitmap->has_bits = !(bitmap->flags & FLAG_IN_USE) && !walk->read->stale;
        if (fixed >> 24 != 1 || bitmap->flags & ~7u || bitmap->granularity_bits < 9 ||
            bitmap->granularity_bits > 31 || !bitmap->name_length ||
            bitmap->name_length > 1023 || !bitmap->table_entries ||
            bitmap->table_offset % walk->read->cluster_size || !bitmap->table_offset)
                return reader_fail(walk, "directory entry at %llu",
                                   (unsigned long long)at);
        bitmap->extra_hash = reader_hash_file(0, walk, at + 24, bitmap->extra_length);
        native_image_read(walk->file, at + 24 + bitmap->extra_length, bitmap->name,
                          bitmap->name_length);
        return true;
}

/* Padding behind the name is zero. */
static bool padding_is_zero(const struct walk *walk, uint64_t from, uint64_t to)
{
        for (; from < to; from++) {
                uint8_t byte;
                native_image_read(walk->file, from, &byte, 1);
                if (byte)
                        return false;
        }
        return true;
}

bool reader_bitmaps(struct walk *walk)
{
        struct read_image *read = walk->read;
        uint64_t at = read->directory_offset;
        uint64_t end = at + read->directory_size;
        if (!read->bitmap_count)
                return true;
        if (read->bitmap_count > 65535)
                return reader_fail(walk, "%u bitmaps", read->bitmap_count);
        if (!reader_count(walk, at, read->directory_size, "bitmap directory"))
                return false;
        read->bitmaps = calloc(read->bitmap_count, sizeof *read->bitmaps);
        if (!read->bitmaps)
                abort();
        for (uint32_t i = 0; i < read->bitmap_count; i++) {
                struct read_bitmap *bitmap = &read->bitmaps[i];
                if (at + 24 > end || !load_entry(walk, at, bitmap))
                        return reader_fail(walk, "directory is too short");
                uint64_t used = 24ull + bitmap->extra_length + bitmap->name_length;
                uint64_t next = at + ((used + 7) & ~7ull);
                const struct read_bitmap *same =
                    read_find(read, bitmap->name, bitmap->name_length);
                if (next > end || !padding_is_zero(walk, at + used, next) ||
                    same != bitmap)
                        return reader_fail(walk, "directory entry %u", i);
                if (!read_bits(walk, bitmap))
                        return false;
                at = next;
        }
        return at == end || reader_fail(walk, "directory is too long");
}
