/* SPDX-License-Identifier: MIT */
/*
 * Every L2 table of an image, read once, each entry held against the claims of a
 * proof of ownership.
 *
 * Calling sequence: l2_scan_begin(); l2_scan_add() for each L2 table that an L1
 * table names, in any order and as often as it is named; l2_scan_finish().
 * `malformed` is final then.
 */
#ifndef INSTAR_GUEST_QCOW2_L2_SCAN_H
#define INSTAR_GUEST_QCOW2_L2_SCAN_H

#include "guest/qcow2/header.h"
#include "guest/qcow2/ownership_claims.h"

struct l2_scan {
        struct claims *claims;
        uint32_t cluster_bits;
        bool data_file; /* standard entries name offsets in another file */
        bool extended;  /* 16-byte entries: the second half is the subclusters' bitmap */
        bool malformed; /* an entry that the format forbids was seen */
        uint64_t reserved; /* bits that must be 0 in a standard entry */

        struct range_list tables; /* noted, not scanned yet */
        uint8_t *buffer;
        uint64_t capacity;
        uint64_t used;
};

/* `l1_entries`: of all L1 tables together, about.  ABI_OK or ABI_TOO_LARGE.  What is
 * allocated, here and later, belongs to the caller's arena_mark(). */
enum abi_code l2_scan_begin(struct l2_scan *scan, const struct header *header,
                            uint64_t l1_entries, struct claims *claims);

/* Note the L2 table in `cluster`, which lies inside the file.  ABI_OK or
 * ABI_TOO_LARGE. */
enum abi_code l2_scan_add(struct l2_scan *scan, uint64_t cluster);

/* Look at a table's entries in memory. */
void l2_scan_bytes(struct l2_scan *scan, const uint8_t *entries, uint64_t length);

/* Scan what was noted.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code l2_scan_finish(struct l2_scan *scan);

#endif
