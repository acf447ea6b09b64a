/* SPDX-License-Identifier: MIT */
/*
 * Tables of big-endian 64-bit entries (L1, refcount table, bitmap tables), streamed
 * through one small buffer.  A leave of the guest costs as much as reading hundreds
 * of KiB, so tables are only noted at first; when the buffer is spoken for, or the
 * caller asks, all of it is read at once and handed to its visitors.
 */
#ifndef INSTAR_GUEST_QCOW2_OWNERSHIP_TABLES_H
#define INSTAR_GUEST_QCOW2_OWNERSHIP_TABLES_H

#include <stdbool.h>
#include <stdint.h>

/* Gets a table's entries, or a part of them, as they are on disk. */
typedef void table_visitor(void *context, const uint8_t *entries, uint64_t count);

struct table_piece {
        uint64_t offset; /* in the file */
        uint64_t length; /* bytes, a multiple of 8 */
        table_visitor *visit;
};

struct table_reader {
        void *context; /* for the visitors */
        uint8_t *buffer;
        uint64_t capacity; /* bytes, a multiple of 8 */
        uint64_t used;
        uint32_t piece_count;
        uint32_t piece_capacity;
        struct table_piece *pieces;
};

/* What is going to be read, about. */
struct table_reader_load {
        uint64_t tables;
        uint64_t bytes; /* of the large ones together */
};

/* False if the arena is exhausted. */
bool table_reader_init(struct table_reader *reader, struct table_reader_load expected,
                       void *context);

/* Have `visit` see the `entries` entries at `offset`; the bytes' range must not
 * overflow.  It is called before table_reader_flush() returns at the latest; it must
 * not call the table reader. */
void table_reader_add(struct table_reader *reader, uint64_t offset, uint64_t entries,
                      table_visitor *visit);

/* Read and visit all that was added.  Also carries out reads queued by others. */
void table_reader_flush(struct table_reader *reader);

#endif
