/* SPDX-License-Identifier: MIT */
/* Bitmap tables: geometry, and the meaning of an entry ("Bitmap table"). */
#ifndef INSTAR_GUEST_QCOW2_TABLE_H
#define INSTAR_GUEST_QCOW2_TABLE_H

#include "guest/qcow2/header.h"

/* Bits of a bitmap over the whole disk. */
uint64_t bitmap_bits(const struct header *header, uint32_t granularity_bits);

/* Bytes of it. */
uint64_t bitmap_bytes(const struct header *header, uint32_t granularity_bits);

/* Entries of its table: one per cluster of bitmap data. */
uint64_t bitmap_table_entries(const struct header *header, uint32_t granularity_bits);

/* Bytes of the last cluster of data that are no bits behind the end of the disk ("Bitmap
 * data": those shall be zero), in whole words; with none there, the cluster. */
uint64_t bitmap_tail_start(const struct header *header, uint32_t granularity_bits);

/* True if QEMU would store a bitmap of this granularity ("too much space"
 * otherwise): at most 512 MiB of data in whole clusters, 2^27 entries. */
bool bitmap_size_allowed(const struct header *header, uint32_t granularity_bits);

/* Clusters that a table of so many entries occupies. */
uint64_t table_clusters(const struct header *header, uint64_t entries);

enum table_entry_kind {
        TABLE_ENTRY_ZEROS,
        TABLE_ENTRY_ONES,
        TABLE_ENTRY_DATA,    /* entry & QCOW2_OFFSET_MASK is a cluster inside the file */
        TABLE_ENTRY_INVALID, /* reserved bits, unaligned, or outside the file */
};

/* A file's end behind all that an entry can name. */
#define TABLE_ANYWHERE (1ull << 60)

/* Classify an entry; `file_end` is the file's size in whole clusters. */
enum table_entry_kind table_entry_kind(const struct header *header, uint64_t entry,
                                       uint64_t file_end);

#endif
