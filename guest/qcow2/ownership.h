/* SPDX-License-Identifier: MIT */
/*
 * The proof of ownership.  A cluster is freed (or cut off, or reused though it
 * is not a hole) only when nothing else in the image refers to it.
 *
 * Calling sequence:
 *
 *     ownership_begin()
 *     ownership_claim()...         every cluster that is to be freed, once per reference
 *                                  that the bitmap itself makes: claimed twice means
 *                                  referenced twice, so contested
 *     ownership_seal()             no more claims
 *     ownership_contest()...       what the planner knows of other bitmaps; may also
 *     ownership_contest_table()... come behind ownership_prove(), but is cheaper before:
 *                                  the tables are then read together with the rest
 *     ownership_prove()            once
 *     ownership_holds()...
 *
 * A wrong order fails safe: nothing holds.  The proof's memory is in the arena, so no
 * arena_mark() taken before ownership_begin() may be released while the proof is in
 * use, and none may be released across ownership_claim() or ownership_seal(); the other
 * calls allocate nothing that stays.
 *
 * Contested is a claimed cluster that is also: cluster 0, part of the L1 table, an L2
 * table, a guest data cluster (normal or compressed, each snapshot included), the
 * refcount table, a refcount block, the snapshot table, a snapshot's L1 table, the LUKS
 * header, or another bitmap's directory, table or data; or that lies
 * beyond the end of the file.  (The refcount must be exactly 1: the caller looks at
 * that.)  With an external data file L2 entries name offsets in that file, so
 * only the L2 tables themselves count.
 *
 * The file's last cluster may be there in part: a structure may begin in it, and what
 * is missing reads as zeros.
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
 * The mapping as it is going to be, in memory, for an edit that replaces the L1 table: it
 * stands for what the header names, which the edit may want to free.  All big-endian.
 */
struct planned_mapping {
        const uint8_t *l1; /* the entries whose L2 tables stay where they are; else 0 */
        uint64_t l1_entries;
        const uint8_t
            *l2; /* the content of an L2 table that is going to be new; or NULL */
        uint64_t l2_bytes;
};

/*
 * Start a proof over the file's clusters.  A header whose refcount_table_clusters is 0
 * (header_read() accepts none) leaves table and blocks to ownership_contest(): for who
 * wants to free the table itself.  `file_size` in bytes.
 * *ownership is set.  ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code ownership_begin(const struct header *header, uint64_t file_size,
                              struct ownership **ownership);

/* The active L1 table is not the header's but this one (which must stay as it is until
 * the proof is made).  Before ownership_prove(). */
void ownership_plan(struct ownership *ownership, const struct planned_mapping *planned);

/* Claim the `count` clusters from cluster index `first` on.  Claims are kept as ranges,
 * so claim a run in one call, or its clusters in ascending order.  ABI_TOO_LARGE if
 * the arena is exhausted. */
enum abi_code ownership_claim(struct ownership *ownership, uint64_t first,
                              uint64_t count);

/* Close the list of claims.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code ownership_seal(struct ownership *ownership);

/* Somebody else's range (the planner names other bitmaps' directories and whatever
 * else it knows with it). */
void ownership_contest(struct ownership *ownership, struct foreign_range range);

/* Contest what every entry of another bitmap's table names: `table_offset` in the
 * file, `entries` u64 entries.  The table's own clusters are contested too.
 * A malformed table or entry means that the proof cannot be made. */
void ownership_contest_table(struct ownership *ownership, uint64_t table_offset,
                             uint64_t entries);

/*
 * Compare the claims with the image's own structures; with `scan_l2` also with every
 * entry of every L2 table of the active L1 table and of every snapshot's (each L2 table
 * is read once).  Streams in bounded memory: 2 MiB, and 16 bytes for each run of L2
 * tables.
 *
 * A structure that is malformed or lies beyond the end of the file means that the
 * proof cannot be made: *provable is then false and nothing holds.  With no claim
 * inside the file nothing is read.  ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code ownership_prove(struct ownership *ownership, bool scan_l2, bool *provable);

/* True if the proof was made, and cluster `index` was claimed exactly once, is inside
 * the file and nobody contests it. */
bool ownership_holds(const struct ownership *ownership, uint64_t index);

#endif
