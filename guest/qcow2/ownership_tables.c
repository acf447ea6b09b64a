/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "guest/abi.h"
#include "guest/qcow2/ownership_tables.h"
#include "guest/rt/arena.h"
#include "guest/rt/reader.h"

#define ENTRY_SIZE 8u

/* A page touched for the first time costs a third of a leave of the guest, so a
 * 64 KiB refcount table is best read in two; only large tables want more. */
#define SMALL_BUFFER (32u << 10)
#define LARGE_BUFFER (256u << 10)
#define LARGE_FROM   (512u << 10)

/* Small tables that are read at a time: at least; and at most, for the doorbell's pages
 * count, too. */
#define MIN_PIECES 64u
#define MAX_PIECES (ABI_MAX_REQUESTS / 2)

bool table_reader_init(struct table_reader *reader, struct table_reader_load expected,
                       void *context)
{
        uint64_t wanted = expected.bytes < LARGE_FROM ? SMALL_BUFFER : LARGE_BUFFER;
        uint64_t pieces = expected.tables < MAX_PIECES ? expected.tables : MAX_PIECES;
        if (wanted > arena_left() / 2)
                wanted = SMALL_BUFFER;
        if (pieces < MIN_PIECES)
                pieces = MIN_PIECES;
        *reader = (struct table_reader){
            .context = context, .capacity = wanted, .piece_capacity = (uint32_t)pieces};
        reader->pieces = arena_alloc(pieces * sizeof *reader->pieces);
        reader->buffer = arena_alloc(wanted);
        return reader->pieces && reader->buffer;
}

static void add_piece(struct table_reader *reader, uint64_t offset, uint64_t length,
                      table_visitor *visit)
{
        reader->pieces[reader->piece_count++] =
            (struct table_piece){offset, length, visit};
        reader->used += length;
}

void table_reader_add(struct table_reader *reader, uint64_t offset, uint64_t entries,
                      table_visitor *visit)
{
        uint64_t left = entries * ENTRY_SIZE;
        while (left) {
                if (reader->used == reader->capacity ||
                    reader->piece_count == reader->piece_capacity)
                        table_reader_flush(reader);
                uint64_t room = reader->capacity - reader->used;
                uint64_t length = left < room ? left : room;
                add_piece(reader, offset, length, visit);
                offset += length;
                left -= length;
        }
}

void table_reader_flush(struct table_reader *reader)
{
        uint8_t *bytes = reader->buffer;
        for (uint32_t i = 0; i < reader->piece_count; i++) {
                read_queue(reader->pieces[i].offset, bytes, reader->pieces[i].length);
                bytes += reader->pieces[i].length;
        }
        read_flush();
        bytes = reader->buffer;
        for (uint32_t i = 0; i < reader->piece_count; i++) {
                const struct table_piece *piece = &reader->pieces[i];
                piece->visit(reader->context, bytes, piece->length / ENTRY_SIZE);
                bytes += piece->length;
        }
        reader->used = 0;
        reader->piece_count = 0;
}
