/* SPDX-License-Identifier: MIT */
/*
 * Walking the snapshot table: variable-length entries behind each other, of which
 * nothing but the L1 table's place is of interest here (qcow2.txt, "Snapshots").
 */
#ifndef INSTAR_GUEST_QCOW2_SNAPSHOTS_H
#define INSTAR_GUEST_QCOW2_SNAPSHOTS_H

#include "guest/qcow2/header.h"

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

/* A snapshot's L1 table as its entry says, not checked. */
struct snapshot_l1 {
        uint64_t offset;
        uint32_t entries;
};

enum snapshot_step {
        SNAPSHOT_ENTRY,     /* *l1 is set */
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

enum snapshot_step snapshot_walk_next(struct snapshot_walk *walk, struct snapshot_l1 *l1);

#endif
