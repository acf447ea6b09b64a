/* SPDX-License-Identifier: MIT */
/*
 * Small valid qcow2 images in memory, with exact refcounts: the starting points of
 * tests and the seeds of fuzzers.  Shares no code with guest/.
 */
#ifndef INSTAR_TESTS_NATIVE_IMAGE_MAKER_H
#define INSTAR_TESTS_NATIVE_IMAGE_MAKER_H

#include "tests/native/native_image.h"

enum made_fill {
        MADE_EMPTY,  /* every table entry 0 */
        MADE_ONES,   /* every table entry 1 */
        MADE_DATA,   /* every entry a cluster of random bits */
        MADE_SPARSE, /* entries 0, 1 and clusters by turns of the seed */
};

struct made_bitmap {
        const char *name;
        uint32_t name_length;      /* 0: strlen(name) */
        uint32_t granularity_bits; /* 0: 16 */
        uint32_t flags;
        enum made_fill fill;
        uint32_t seed;
        bool dirty_tail;       /* bits behind the end of the disk are set */
        uint32_t extra_length; /* of extra data, all 0x5a */
};

#define MADE_MAX_BITMAPS   64u
#define MADE_MAX_SNAPSHOTS 8u

struct made_options {
        uint32_t cluster_bits;  /* 0: 16 */
        uint64_t virtual_size;  /* 0: 64 MiB */
        uint32_t header_length; /* 0: 112 */
        const char *backing;    /* NULL: none */
        uint32_t
            record_before; /* bytes of an unknown record before the bitmaps'; 0: none */
        uint32_t record_behind;
        uint32_t data_clusters; /* of the virtual machine */
        uint32_t snapshots;
        uint32_t bitmap_count;
        struct made_bitmap bitmaps[MADE_MAX_BITMAPS];
        bool stale;          /* the autoclear bit is clear */
        bool emptied_record; /* bitmap_count 0: a record that is all zeros */
        uint64_t autoclear;  /* unknown bits, or'ed in */
        uint64_t incompatible;
        uint64_t compatible;
        uint32_t refcount_table_clusters; /* 0: as few as it takes */
        uint32_t free_clusters;           /* with refcount 0, inside the file: a hole */
        uint32_t cut; /* bytes to cut off the end, as long as they are zeros */
};

/* Where things are: for tests that damage them.  File offsets. */
struct made_places {
        uint64_t refcount_table;
        uint64_t refcount_block; /* the first */
        uint64_t l1;
        uint64_t first_data; /* first guest data cluster, 0 if none */
        uint64_t snapshot_table;
        uint64_t free_clusters;
        uint64_t directory;
        uint64_t directory_size;
        uint64_t entries[MADE_MAX_BITMAPS]; /* directory entries */
        uint64_t tables[MADE_MAX_BITMAPS];
        uint64_t bitmaps_record; /* in the header cluster */
};

/* Build it.  Aborts where the options make no image. */
void make_image(struct native_image *image, const struct made_options *options,
                struct made_places *places);

/* Big-endian stores and loads for damage. */
void poke64(struct native_image *image, uint64_t offset, uint64_t value);
void poke32(struct native_image *image, uint64_t offset, uint32_t value);
void poke16(struct native_image *image, uint64_t offset, uint16_t value);
uint64_t peek64(const struct native_image *image, uint64_t offset);

/* The refcount of a cluster, in the image that was made. */
void poke_refcount(struct native_image *image, uint64_t cluster, uint16_t value);
uint16_t peek_refcount(const struct native_image *image, uint64_t cluster);

#endif
