/* SPDX-License-Identifier: MIT */
/*
 * Reference counts ("Host cluster management" of the qcow2 specification), 16 bits
 * wide.  Only the table's entries for the file's clusters and the touched sectors
 * of the blocks are read.
 */
#ifndef INSTAR_GUEST_QCOW2_REFCOUNTS_H
#define INSTAR_GUEST_QCOW2_REFCOUNTS_H

#include "guest/qcow2/header.h"
#include "guest/qcow2/sectors.h"

struct refcounts {
        const struct header *header;
        uint64_t file_end;        /* file size in whole clusters, bytes */
        uint32_t block_bits;      /* log2 of the clusters that one block covers */
        uint64_t table_entries;   /* that the table has room for */
        uint64_t entries_read;    /* of them; the rest has not been looked at */
        uint64_t *table;          /* big-endian, as in the file */
        uint64_t *planned;        /* block offsets of a growth, 0 if none; or NULL */
        uint64_t planned_entries; /* length of `planned` */
        struct sectors sectors;
};

/* Queue the read of the table as far as the file reaches.  ABI_TOO_LARGE. */
enum abi_code refcounts_queue_table(const struct header *header, uint64_t file_size,
                                    struct refcounts *refcounts);

/* Read the table at least as far as entry `index`, if it has that entry. */
void refcounts_read_table(struct refcounts *refcounts, uint64_t index);

/* File offset of block `index`; 0 if there is none yet.  ABI_BAD_REFCOUNTS if the
 * table's entry is unaligned or lies outside the file. */
enum abi_code refcounts_block(struct refcounts *refcounts, uint64_t index,
                              uint64_t *offset);

/* Queue what refcount_get() of these clusters will need. */
enum abi_code refcounts_want(struct refcounts *refcounts, uint64_t first, uint64_t count);

/* Wait for everything that was wanted. */
void refcounts_load(struct refcounts *refcounts);

/* The refcount of a cluster; 0 where there is no block. */
enum abi_code refcount_get(struct refcounts *refcounts, uint64_t cluster,
                           uint16_t *value);

/* Plan another refcount for `count` clusters.  Their blocks exist or are planned. */
enum abi_code refcount_set(struct refcounts *refcounts, uint64_t first, uint64_t count,
                           uint16_t value);

/* The table's entry `index` as it was read, and whether any entry that covers the
 * file names a block that overlaps [offset, +length). */
bool refcounts_overlap(const struct refcounts *refcounts, uint64_t offset,
                       uint64_t length);

#endif
