/* SPDX-License-Identifier: MIT */
/*
 * The proof of ownership.  A cluster is freed (or cut off, or reused though it
 * is not a hole) only when nothing else in the image refers to it.
 *
 * Calling sequence: ownership_begin(); ownership_claim() for every cluster that
 * is to be freed, once per reference that the bitmap itself makes (a cluster claimed twice
 * is referenced twice, so it is contested); ownership_prove() once; then ownership_holds()
 * per cluster.
 *
 * Contested is a claimed cluster that is also: cluster 0, part of the L1 table, an L2
 * table, a guest data cluster (normal or compressed, each snapshot included), the refcount
 * table, a refcount block, the snapshot table, a snapshot's L1 table, the LUKS
 * header, or another bitmap's directory, table or data; or that lies
 * beyond the end of the file.  (The refcount must be exactly 1: the caller looks at
 * that.)  With an external data file L2 entries name offsets in that file, so
 * only the L2 tables themselves count.
 */
#ifndef INSTAR_GUEST_QCOW2_OWNERSHIP_H
#define INSTAR_GUEST_QCOW2_OWNERSHIP_H

#include "guest/qcow2/header.h"

struct ownership; /* in the arena */

/* A range of the file that belongs to somebody else: bytes. */
struct foreign_range {
        uint64_t offset;
        uint64_t length;
};

/*
 * Start a proof over the file's clusters.  `file_size` in bytes.
 * *ownership is set.  ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code ownership_begin(const struct header *header, uint64_t file_size,
                              struct ownership **ownership);

/* Claim the `count` clusters from cluster index `first` on.  Claims are kept as
 * ranges; ABI_TOO_LARGE if the arena is exhausted. */
enum abi_code ownership_claim(struct ownership *ownership, uint64_t first, uint64_t count);

/* Somebody else's range (the planner names other bitmaps' directories, tables
 * and data with it, before or after ownership_prove()). */
void ownership_contest(struct ownership *ownership, struct foreign_range range);

/* Contest what every entry of other bitmaps' tables names: `table_offset` in the
 * file, `entries` u64 entries.  The table's own clusters are contested too.
 * Reads in batches. */
enum abi_code ownership_contest_table(struct ownership *ownership, uint64_t table_offset,
                                      uint64_t entries);

/*
 * Compare the claims with the image's own structures; with `scan_l2` also with
 * every L2 table of the active L1 and of every snapshot (an L2 table at the same L1 index
 * and offset as the active one is read once).  Streams in bounded memory.
 *
 * A structure that is malformed or lies beyond the end of the file means that the
 * proof cannot be made: *provable is then false and nothing holds.
 */
enum abi_code ownership_prove(struct ownership *ownership, bool scan_l2, bool *provable);

/* True if cluster `index` was claimed exactly once, is inside the file and nobody
 * contests it. */
bool ownership_holds(const struct ownership *ownership, uint64_t index);

#endif
