/* SPDX-License-Identifier: MIT */
/*
 * Walking the snapshot table: variable-length entries behind each other, of which
 * nothing but the L1 table's place is of interest here (qcow2.txt, "Snapshots").
 */
#ifndef INSTAR_GUEST_QCOW2_SNAPSHOTS_H
#define INSTAR_GUEST_QCOW2_SNAPSHOTS_H

#include "guest/qcow2/header.h"

/* What snapshot_walk_bytes() may be asked for at once. */
#define SNAPSHOT_MAX_BYTES 512u

/* Names and extra data included; QEMU's limit (1024 bytes for each of 65536). */
#define SNAPSHOTS_MAX_TABLE (64ull << 20)

struct snapshot_walk {
        uint64_t
            position; /* file offset of the next entry; at the end: of the table's end */
        uint64_t start;
        uint64_t file_size;
        uint32_t left; /* entries */
        uint8_t *window;
        uint64_t window_size;
        uint64_t window_start; /* file offset of the window's first byte */
};

/* What an entry says, not checked; `fixed` is good until the walk goes on.  Extra data,
 * id and name follow the fixed part, in this order. */
struct snapshot {
        uint64_t offset;   /* of its L1 table */
        uint32_t entries;  /* of it */
        uint64_t position; /* file offset of the table entry */
        uint32_t extra_length;
        uint16_t id_length;
        uint16_t name_length;
        const uint8_t *fixed; /* SNAPSHOT_FIXED bytes */
};

#define SNAPSHOT_FIXED 40u

enum snapshot_step {
        SNAPSHOT_ENTRY,     /* *snapshot is set */
        SNAPSHOT_END,       /* all were seen; `position` is where the table ends */
        SNAPSHOT_MALFORMED, /* bad place, over a limit, or cut by the end of the file */
};

/*
 * Prepare a walk and queue (not flush) the first read, so that the caller can send
 * other reads with it; read_flush() has to come before snapshot_walk_next().  The
 * window lives in the arena as long as the walk.  Returns ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code snapshot_walk_begin(struct snapshot_walk *walk, const struct header *header,
                                  uint64_t file_size);

enum snapshot_step snapshot_walk_next(struct snapshot_walk *walk,
                                      struct snapshot *snapshot);

/* Bytes of the entry that was returned last: [position, +length) of the file, in front of
 * what was asked for before only where the window still holds it.  length is at most
 * SNAPSHOT_MAX_BYTES. */
const uint8_t *snapshot_walk_bytes(struct snapshot_walk *walk, uint64_t position,
                                   uint64_t length);

/*
 * Copy the entry's id and name to `text`, as much of each as QEMU shows; their lengths to
 * *id_length and *name_length.  Rings the doorbell where the window has to move.
 */
#define SNAPSHOT_SHOWN_ID   127u
#define SNAPSHOT_SHOWN_NAME 255u
void snapshot_copy_strings(struct snapshot_walk *walk, const struct snapshot *snapshot,
                           uint8_t text[SNAPSHOT_SHOWN_ID + SNAPSHOT_SHOWN_NAME],
                           uint32_t *id_length, uint32_t *name_length);

#endif
