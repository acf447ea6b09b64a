/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/snapshots.h"
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
#define ENTRY_FIXED      40u
#define ENTRY_ALIGNMENT  8u

/* Extra data, a one-digit id and a short name: what entries usually take. */
#define TYPICAL_ENTRY 128u
#define MAX_WINDOW    (64u << 10)

enum abi_code snapshot_walk_begin(struct snapshot_walk *walk, const struct header *header,
                                  uint64_t file_size)
{
        uint64_t window = (uint64_t)header->snapshot_count * TYPICAL_ENTRY;
        *walk = (struct snapshot_walk){
            .position = header->snapshots_offset,
            .start = header->snapshots_offset,
            .file_size = file_size,
            .left = header->snapshot_count,
            .window_size = window < MAX_WINDOW ? window : MAX_WINDOW,
            .window_start = header->snapshots_offset,
        };
        if (!walk->left || !range_inside(walk->start, ENTRY_FIXED, file_size))
                return ABI_OK; /* snapshot_walk_next() looks at the range itself */
        walk->window = arena_alloc(walk->window_size);
        if (!walk->window)
                return ABI_TOO_LARGE;
        read_queue(walk->window_start, walk->window, walk->window_size);
        return ABI_OK;
}

/* The fixed part of the entry at `position`, which lies inside the file. */
static const uint8_t *entry_at(struct snapshot_walk *walk)
{
        uint64_t skipped = walk->position - walk->window_start;
        if (!range_inside(skipped, ENTRY_FIXED, walk->window_size)) {
                walk->window_start = walk->position;
                skipped = 0;
                read_queue(walk->window_start, walk->window, walk->window_size);
                read_flush();
        }
        return walk->window + skipped;
}

enum snapshot_step snapshot_walk_next(struct snapshot_walk *walk, struct snapshot_l1 *l1)
{
        uint64_t start = walk->position;
        if (!walk->left)
                return SNAPSHOT_END;
        /* What lies behind the end of the file would read as zeros: a cut table,
         * not an empty snapshot. */
        if (!checked_round_up(start, ENTRY_ALIGNMENT, &start) ||
            !range_inside(start, ENTRY_FIXED, walk->file_size))
                return SNAPSHOT_MALFORMED;
        walk->position = start;
        const uint8_t *entry = entry_at(walk);
        uint64_t length = ENTRY_FIXED + (uint64_t)load_be32(entry + ENTRY_EXTRA_SIZE) +
                          load_be16(entry + ENTRY_ID_SIZE) +
                          load_be16(entry + ENTRY_NAME_SIZE);
        if (!range_inside(start, length, walk->file_size) ||
            start + length - walk->start > SNAPSHOTS_MAX_TABLE)
                return SNAPSHOT_MALFORMED;
        l1->offset = load_be64(entry + ENTRY_L1_OFFSET);
        l1->entries = load_be32(entry + ENTRY_L1_SIZE);
        walk->position = start + length;
        walk->left--;
        return SNAPSHOT_ENTRY;
}
