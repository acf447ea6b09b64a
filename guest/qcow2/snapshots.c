/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/snapshots.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

/* Offsets inside an entry's fixed part. */
#define ENTRY_L1_OFFSET  0u
#define ENTRY_L1_SIZE    8u
#define ENTRY_ID_SIZE    12u
#define ENTRY_NAME_SIZE  14u
#define ENTRY_EXTRA_SIZE 36u
#define ENTRY_ALIGNMENT  8u

/* Extra data, a one-digit id and a short name: what entries usually take. */
#define TYPICAL_ENTRY 128u
#define MAX_WINDOW    (64u << 10)

enum abi_code snapshot_walk_begin(struct snapshot_walk *walk, const struct header *header,
                                  uint64_t file_size)
{
        uint64_t window = (uint64_t)header->snapshot_count * TYPICAL_ENTRY;
        window = window < SNAPSHOT_MAX_BYTES ? SNAPSHOT_MAX_BYTES : window;
        window = window < MAX_WINDOW ? window : MAX_WINDOW;
        *walk = (struct snapshot_walk){
            .position = header->snapshots_offset,
            .start = header->snapshots_offset,
            .file_size = file_size,
            .left = header->snapshot_count,
            .window_size = window,
            .window_start = header->snapshots_offset,
        };
        if (!walk->left || !range_inside(walk->start, SNAPSHOT_FIXED, file_size))
                return ABI_OK; /* snapshot_walk_next() looks at the range itself */
        walk->window = arena_alloc(walk->window_size);
        if (!walk->window)
                return ABI_TOO_LARGE;
        read_queue(walk->window_start, walk->window, walk->window_size);
        return ABI_OK;
}

const uint8_t *snapshot_walk_bytes(struct snapshot_walk *walk, uint64_t position,
                                   uint64_t length)
{
        uint64_t skipped = position - walk->window_start;
        if (position < walk->window_start ||
            !range_inside(skipped, length, walk->window_size)) {
                walk->window_start = position;
                skipped = 0;
                read_queue(walk->window_start, walk->window, walk->window_size);
                read_flush();
        }
        return walk->window + skipped;
}

enum snapshot_step snapshot_walk_next(struct snapshot_walk *walk,
                                      struct snapshot *snapshot)
{
        uint64_t start = walk->position;
        if (!walk->left)
                return SNAPSHOT_END;
        /* What lies behind the end of the file would read as zeros: a cut table,
         * not an empty snapshot. */
        if (!checked_round_up(start, ENTRY_ALIGNMENT, &start) ||
            !range_inside(start, SNAPSHOT_FIXED, walk->file_size))
                return SNAPSHOT_MALFORMED;
        walk->position = start;
        const uint8_t *entry = snapshot_walk_bytes(walk, start, SNAPSHOT_FIXED);
        *snapshot = (struct snapshot){
            .offset = load_be64(entry + ENTRY_L1_OFFSET),
            .entries = load_be32(entry + ENTRY_L1_SIZE),
            .position = start,
            .extra_length = load_be32(entry + ENTRY_EXTRA_SIZE),
            .id_length = load_be16(entry + ENTRY_ID_SIZE),
            .name_length = load_be16(entry + ENTRY_NAME_SIZE),
            .fixed = entry,
        };
        uint64_t length = SNAPSHOT_FIXED + (uint64_t)snapshot->extra_length +
                          snapshot->id_length + snapshot->name_length;
        if (!range_inside(start, length, walk->file_size) ||
            start + length - walk->start > SNAPSHOTS_MAX_TABLE)
                return SNAPSHOT_MALFORMED;
        walk->position = start + length;
        walk->left--;
        return SNAPSHOT_ENTRY;
}

static uint32_t copy_string(struct snapshot_walk *walk, uint64_t position,
                            uint32_t length, uint32_t most, uint8_t *to)
{
        length = length < most ? length : most;
        if (length)
                memcpy(to, snapshot_walk_bytes(walk, position, length), length);
        return length;
}

void snapshot_copy_strings(struct snapshot_walk *walk, const struct snapshot *snapshot,
                           uint8_t text[SNAPSHOT_SHOWN_ID + SNAPSHOT_SHOWN_NAME],
                           uint32_t *id_length, uint32_t *name_length)
{
        uint64_t position = snapshot->position + SNAPSHOT_FIXED + snapshot->extra_length;
        *id_length =
            copy_string(walk, position, snapshot->id_length, SNAPSHOT_SHOWN_ID, text);
        *name_length =
            copy_string(walk, position + snapshot->id_length, snapshot->name_length,
                        SNAPSHOT_SHOWN_NAME, text + *id_length);
}
