/* SPDX-License-Identifier: MIT */
/*
 * `instar map` inside the guest: which regions of the disk a bitmap marks dirty.  The
 * whole table is looked at before the first report, so that damage is told instead of
 * half a map.
 */
#include "guest/ops/map.h"

#include <string.h>

#include "guest/ops/map_extents.h"
#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/platform.h"
#include "guest/rt/report.h"
#include "guest/rt/transaction.h"

#define REPORT_BUFFER (4 * ABI_MAX_REPORT)
#define PER_REPORT    (ABI_MAX_REPORT / sizeof(struct abi_range))

struct map {
        const struct abi_call *call;
        struct image image;
        struct directory_entry entry;
        struct bitmap_walk walk;
        uint64_t size; /* of the disk, bytes */

        uint64_t column_bytes;
        uint64_t *columns; /* dirty bytes */

        struct abi_range *whole; /* the report that is being filled: PER_REPORT */
        uint64_t count;
};

static enum abi_code find(struct map *m)
{
        struct bitmap_name name = {m->call->target, m->call->target_length};
        if (!name.length || name.length > QCOW2_MAX_NAME)
                return ABI_NAME_TOO_LONG;
        if (!directory_find(&m->image.directory, name, &m->entry))
                return ABI_NOT_FOUND;
        return bitmap_is_unusable(&m->image, &m->entry) ? ABI_IN_USE : ABI_OK;
}

/* Its table, and none of those that follow. */
static void read_tables_of_one(const struct map *m)
{
        struct directory up_to_it = m->image.directory;
        up_to_it.size = m->entry.position + m->entry.length;
        table_readahead_start(&m->image.header, &up_to_it, TABLE_READAHEAD_TABLES);
}

/* ---- the picture ----------------------------------------------------------------- */

static void add_to_columns(void *context, uint64_t start, uint64_t end)
{
        struct map *m = context;
        while (start < end) {
                uint64_t column = start / m->column_bytes;
                uint64_t column_end = (column + 1) * m->column_bytes;
                uint64_t piece_end = end < column_end ? end : column_end;
                m->columns[column] += piece_end - start;
                start = piece_end;
        }
}

static enum abi_code report_picture(struct map *m)
{
        uint32_t columns = m->call->columns;
        uint64_t length = columns * sizeof *m->columns;
        if (!columns)
                return ABI_OK;
        if (columns > ABI_MAX_COLUMNS)
                return ABI_OVERFLOW;
        m->columns = arena_alloc(length);
        if (!m->columns)
                return ABI_TOO_LARGE;
        m->column_bytes = m->size ? divide_up(m->size, columns) : 1;
        enum abi_code code =
            map_extents(&m->walk, m->entry.granularity_bits, m->size, add_to_columns, m);
        if (code)
                return code;
        struct abi_report_picture *picture =
            report_add(ABI_REPORT_PICTURE, sizeof *picture + length);
        *picture = (struct abi_report_picture){
            .size = m->size, .columns = columns, .column_bytes = m->column_bytes};
        for (uint32_t i = 0; i < columns; i++)
                picture->dirty += m->columns[i];
        memcpy(picture + 1, m->columns, length);
        return ABI_OK;
}

/* ---- the extents ----------------------------------------------------------------- */

static void send_extents(struct map *m)
{
        uint64_t length = m->count * sizeof *m->whole;
        if (length)
                memcpy(report_add(ABI_REPORT_EXTENTS, length), m->whole, length);
        m->count = 0;
}

static void add_extent(void *context, uint64_t start, uint64_t end)
{
        struct map *m = context;
        if (m->count == PER_REPORT)
                send_extents(m);
        m->whole[m->count++] = (struct abi_range){start, end - start};
}

static enum abi_code report_extents(struct map *m)
{
        m->whole = arena_alloc(PER_REPORT * sizeof *m->whole);
        if (!m->whole)
                return ABI_TOO_LARGE;
        enum abi_code code =
            map_extents(&m->walk, m->entry.granularity_bits, m->size, add_extent, m);
        if (!code)
                send_extents(m);
        return code;
}

/* ---- the whole ------------------------------------------------------------------- */

static enum abi_code run(struct map *m)
{
        struct bitmap_table_facts facts;
        enum abi_code code = image_look(&m->image, m->call->file_size);
        if (code || (code = find(m)))
                return code;
        /* QEMU counts whole sectors. */
        m->image.header.size = header_disk_size(&m->image.header);
        m->size = m->image.header.size;
        if (m->size > INT64_MAX)
                return fail(ABI_BAD_HEADER, ABI_HEADER_SIZE, m->image.header.size, 0, 0);
        if (!report_start(REPORT_BUFFER))
                return ABI_TOO_LARGE;
        read_tables_of_one(m);
        if ((code = bitmap_walk_begin(&m->walk, &m->image, &m->entry)) ||
            (code = bitmap_walk_check(&m->walk, &facts)) || (code = report_picture(m)))
                return code;
        return report_extents(m);
}

void map_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct map *m = arena_alloc(sizeof *m);
        if (!m) {
                result.code = ABI_TOO_LARGE;
        } else {
                m->call = rt_call();
                result.code = run(m);
        }
        if (result.code)
                failure_details(result.detail);
        program_end(&result);
}
