/* SPDX-License-Identifier: MIT */
/* The bitmap directory, and with ABI_CALL_COUNT the bitmaps' tables and data. */
#include <string.h>

#include "guest/ops/info_look.h"
#include "guest/qcow2/bitmap_walk.h"
#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"
#include "guest/rt/report.h"

/* ---- counting -------------------------------------------------------------------- */

static uint64_t bits_in_word(uint64_t word)
{
        word -= word >> 1 & 0x5555555555555555ull;
        word = (word & 0x3333333333333333ull) + (word >> 2 & 0x3333333333333333ull);
        word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0full;
        return word * 0x0101010101010101ull >> 56;
}

static bool bit_is_set(const struct bitmap_piece *piece, uint64_t index)
{
        if (piece->kind == TABLE_ENTRY_DATA)
                return piece->words[index / 64] >> index % 64 & 1;
        return piece->kind == TABLE_ENTRY_ONES;
}

static uint64_t bits_in_piece(const struct bitmap_piece *piece)
{
        uint64_t count = 0;
        if (piece->kind != TABLE_ENTRY_DATA)
                return piece->kind == TABLE_ENTRY_ONES ? piece->bits : 0;
        for (uint64_t i = 0; i < piece->bits / 64; i++)
                count += bits_in_word(piece->words[i]);
        if (piece->bits % 64)
                count += bits_in_word(piece->words[piece->bits / 64] &
                                      ((1ull << piece->bits % 64) - 1));
        return count;
}

/* The last granule may reach beyond the end of the disk. */
static uint64_t dirty_bytes(struct bitmap_walk *walk, uint32_t granularity_bits,
                            uint64_t size)
{
        uint64_t dirty = 0;
        for (;;) {
                struct bitmap_piece piece = bitmap_walk_next(walk);
                if (!piece.bits)
                        return dirty;
                dirty += bits_in_piece(&piece) << granularity_bits;
                if (piece.first + piece.bits == walk->bits &&
                    bit_is_set(&piece, piece.bits - 1))
                        dirty -= (walk->bits << granularity_bits) - size;
        }
}

static enum abi_code count(struct info *info, const struct directory_entry *e,
                           struct abi_report_bitmap *report)
{
        struct bitmap_walk walk;
        struct bitmap_table_facts facts;
        struct image *image = &info->image;
        enum abi_code code = bitmap_walk_begin(&walk, image, e);
        if (!code)
                code = bitmap_walk_check(&walk, &facts);
        if (code)
                return code;
        report->counted = ABI_BITMAP_CLUSTERS;
        report->data_clusters = facts.data_clusters;
        if (bitmap_is_unusable(image, e) || info_bitmaps_are_stale(info))
                return ABI_OK; /* its bits mean nothing */
        report->counted |= ABI_BITMAP_DIRTY;
        report->dirty_bytes = dirty_bytes(&walk, e->granularity_bits, image->header.size);
        return ABI_OK;
}

/* ---- one bitmap ------------------------------------------------------------------ */

static void report_bitmap(struct info *info, const struct directory_entry *e, bool sound)
{
        const struct header *h = &info->image.header;
        struct abi_report_bitmap report = {
            .entry_offset = info->image.directory.offset + e->position,
            .table_offset = e->table_offset,
            .table_entries = e->table_entries,
            .flags = e->flags,
            .granularity = e->granularity_bits < 64 ? 1ull << e->granularity_bits : 0,
            .table_clusters = table_clusters(h, e->table_entries),
            .type = e->type,
            .extra_length = e->extra_length,
            .name_length = e->name_length,
        };
        if (sound && info->call->flags & ABI_CALL_COUNT && h->size <= INT64_MAX) {
                const struct bitmap_name name = {e->name, e->name_length};
                uint64_t mark = arena_mark();
                info_note(info, count(info, e, &report), &name);
                arena_release(mark);
        }
        uint64_t most = ABI_MAX_REPORT - sizeof report;
        report.name_length = e->name_length < most ? e->name_length : (uint32_t)most;
        uint8_t *to = report_add(ABI_REPORT_BITMAP, sizeof report + report.name_length);
        memcpy(to, &report, sizeof report);
        if (report.name_length)
                memcpy(to + sizeof report, e->name, report.name_length);
}

/* A name that is itself the damage is not worth telling. */
static struct bitmap_name name_of(const struct directory_entry *e)
{
        if (!e || e->name_length > QCOW2_MAX_NAME)
                return (struct bitmap_name){NULL, 0};
        return (struct bitmap_name){e->name, e->name_length};
}

static bool visit(void *context, const struct directory_entry *e, uint64_t position,
                  uint32_t index, enum abi_directory_fault fault)
{
        struct info *info = context;
        const struct bitmap_name name = name_of(e);
        bool sound = !fault || fault == ABI_DIRECTORY_SAME_TO_NUL;
        if (!fault && e && (e->extra_length || e->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE))
                fault = ABI_DIRECTORY_EXTRA;
        if (fault == ABI_DIRECTORY_NAME_SIZE && !e->name_length)
                fault = ABI_DIRECTORY_NO_NAME;
        if (fault == ABI_DIRECTORY_COUNT && info->list_unannounced)
                fault = 0; /* the extension's damage says it */
        if (fault)
                info_note(info,
                          fail(ABI_BAD_DIRECTORY, info->image.directory.offset + position,
                               index, fault, 0),
                          &name);
        if (e)
                report_bitmap(info, e, sound);
        return true;
}

/* The extension may be damaged: what it says of the directory is checked again. */
static bool directory_is_readable(const struct info *info)
{
        const struct header *h = &info->image.header;
        return h->has_bitmaps && h->directory_size &&
               h->directory_size <= QCOW2_MAX_DIRECTORY_SIZE &&
               h->directory_offset >= h->cluster_size &&
               range_inside(h->directory_offset, h->directory_size,
                            info->image.file_size);
}

enum abi_code info_report_bitmaps(struct info *info)
{
        struct image *image = &info->image;
        bool emptied = info_bitmaps_are_stale(info) && !image->header.bitmap_count;
        if (emptied || !directory_is_readable(info))
                return ABI_OK;
        image->header.size -= image->header.size % ABI_SECTOR;
        enum abi_code code = directory_queue_bytes(&image->header, &image->directory);
        if (code)
                return code;
        read_flush();
        table_readahead_start(&image->header, &image->directory, TABLE_READAHEAD_TABLES);
        return directory_visit(&image->header, &image->directory, visit, info);
}
