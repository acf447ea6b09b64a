/* SPDX-License-Identifier: MIT */
/*
 * The bits of one bitmap in order, in bounded memory: its table is read through
 * table_readahead.h, and its data through a window.
 */
#ifndef INSTAR_GUEST_QCOW2_BITMAP_WALK_H
#define INSTAR_GUEST_QCOW2_BITMAP_WALK_H

#include "guest/qcow2/image.h"
#include "guest/qcow2/table.h"

struct bitmap_walk {
        const struct image *image;
        struct directory_entry entry;
        uint64_t bits; /* of the whole bitmap */

        /* Data is taken in parts: whole clusters, or pieces of large ones. */
        uint64_t part_bytes;
        uint64_t parts; /* of one cluster */

        uint8_t *data;  /* of the batch: parts [batch_first, +batch_count) */
        uint8_t *kinds; /* of its parts: enum table_entry_kind */
        uint64_t batch;
        uint64_t batch_first;
        uint64_t batch_count;
        uint64_t next; /* part */
};

/* What one table entry stands for, or a part of it. */
struct bitmap_piece {
        uint64_t first; /* bit */
        uint64_t bits;  /* as far as the disk goes; 0: the end */
        enum table_entry_kind kind;
        const uint64_t *words; /* TABLE_ENTRY_DATA: LSB first; what follows `bits` in the
                                * last word may be anything; until the next step */
};

/*
 * Begin to walk through the bitmap of a checked directory entry ("Bitmap table", "Bitmap
 * data"), in whose directory table_readahead_start() has begun.  The arena memory lives
 * as long as the walk.  ABI_OK or ABI_TOO_LARGE, or ABI_BAD_TABLE if the table is not
 * wholly in the file.
 */
enum abi_code bitmap_walk_begin(struct bitmap_walk *walk, const struct image *image,
                                const struct directory_entry *entry);

/* Go back to the first bit. */
void bitmap_walk_rewind(struct bitmap_walk *walk);

/* What the table says, without the data. */
struct bitmap_table_facts {
        uint64_t data_clusters;
        uint64_t all_ones;
};

/*
 * Look at every entry of the table: what names a cluster that is not wholly in the file
 * is damage, for clean would not be a safe guess.  ABI_OK or ABI_BAD_TABLE, with the
 * facts of all sound entries.
 */
enum abi_code bitmap_walk_check(struct bitmap_walk *walk,
                                struct bitmap_table_facts *facts);

/* The next piece of a bitmap that was checked: TABLE_ENTRY_INVALID only where the image
 * has changed since. */
struct bitmap_piece bitmap_walk_next(struct bitmap_walk *walk);

#endif
