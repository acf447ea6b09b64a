/* SPDX-License-Identifier: MIT */
/* What a guest program knows of the image it works on. */
#ifndef INSTAR_GUEST_QCOW2_IMAGE_H
#define INSTAR_GUEST_QCOW2_IMAGE_H

#include "guest/qcow2/directory.h"
#include "guest/qcow2/header.h"
#include "guest/qcow2/ownership_ranges.h"
#include "guest/qcow2/refcounts.h"

/* What must not be written over, gathered when it is first asked for (in_place.c). */
struct in_place {
        bool tables_gathered;
        bool snapshots_unknown;   /* they cannot be walked: they may be anywhere */
        struct range_list tables; /* header, L1, refcount table, snapshots: disjoint */
        bool blocks_gathered;
        struct range_list blocks; /* refcount blocks, one by one */
};

struct image {
        uint64_t file_size; /* bytes */
        uint64_t file_end;  /* rounded up to whole clusters */
        bool block_device;
        struct header header;
        struct header_bytes header_bytes;
        struct directory directory;
        struct refcounts refcounts;
        struct in_place in_place;
};

/* A run of clusters, by index. */
struct extent {
        uint64_t first;
        uint64_t count;
};

/* Read header, directory and the refcount table's beginning, and check them. */
enum abi_code image_open(struct image *image, uint64_t file_size, bool block_device);

/* The same, of version 2 too (header_read_any()). */
enum abi_code image_open_any(struct image *image, uint64_t file_size, bool block_device);

/* Read and check header and directory only, of an image that is not going to be written
 * (header_look()); `refcounts` is not set. */
enum abi_code image_look(struct image *image, uint64_t file_size);

/* True if nobody may use this bitmap: in use, stale, or with extra data that must
 * be understood ("Bitmap directory", extra_data_compatible). */
bool bitmap_is_unusable(const struct image *image, const struct directory_entry *entry);

/*
 * True if [offset, +length) may be overwritten in place: each of its clusters has
 * refcount 1, and it overlaps neither header, L1 table, refcount table and blocks, nor
 * snapshot table and snapshots' L1 tables.  (Guest data is not looked at:
 * docs/security.md.)
 */
enum abi_code image_in_place(struct image *image, uint64_t offset, uint64_t length,
                             bool *allowed);

/* ABI_OK if every refcount block that counts these clusters is planned, or may be written
 * in place; ABI_BAD_REFCOUNTS if not. */
enum abi_code image_counts_in_place(struct image *image, const struct extent *extent);

/* The same for a refcount block itself, which must not be named twice. */
enum abi_code image_block_in_place(struct image *image, uint64_t block_index,
                                   bool *allowed);

/* Of `count` clusters, leave out those that the header and the directory name: tables,
 * refcount blocks, snapshots and their L1 tables, the directory, bitmap tables.  They are
 * in use, whatever their refcounts say. */
enum abi_code image_leave_out_named(struct image *image, uint64_t *clusters,
                                    uint32_t *count);

/* Fails, and tells of the block that counts `cluster` why it may not be written in place:
 * its offset and refcount. */
enum abi_code image_block_refused(struct image *image, uint64_t cluster);

#endif
