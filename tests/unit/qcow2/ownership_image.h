/* SPDX-License-Identifier: MIT */
/*
 * Crafted images for the proof of ownership: one of every owner that a cluster can
 * have, each with free clusters at both sides, at any cluster size.
 */
#ifndef INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_IMAGE_H
#define INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_IMAGE_H

#include "guest/qcow2/header.h"

/* Clusters of the crafted image, by their owner.  All that is not named is free. */
enum crafted_cluster {
        CRAFTED_HEADER = 0,
        CRAFTED_REFCOUNT_TABLE = 2,
        CRAFTED_REFCOUNT_BLOCK = 4,
        CRAFTED_L1 = 6,
        CRAFTED_L2 = 8,
        CRAFTED_DATA = 10,
        CRAFTED_ZERO_FLAG_DATA = 12,
        CRAFTED_COMPRESSED = 14, /* inside one cluster */
        CRAFTED_STRADDLING = 16, /* and 17: compressed */
        CRAFTED_SNAPSHOT_TABLE = 19,
        CRAFTED_SNAPSHOT_L1 = 21,
        CRAFTED_SNAPSHOT_L2 = 23,
        CRAFTED_SNAPSHOT_DATA = 25, /* of the snapshot only */
        CRAFTED_SECOND_SNAPSHOT_L1 = 27,
        CRAFTED_LUKS = 29, /* and 30 */
        CRAFTED_OTHER_DIRECTORY = 32,
        CRAFTED_OTHER_TABLE = 34,
        CRAFTED_OTHER_DATA = 36,
        CRAFTED_SECOND_L2 = 38,
        CRAFTED_SECOND_DATA = 40,
        CRAFTED_CLUSTERS = 42,
};

struct crafted_image {
        struct header header;
        uint8_t *bytes;
        uint64_t size;
        uint64_t first_snapshot, second_snapshot; /* file offsets of their entries */
};

#define CRAFTED_TABLE_ENTRIES 3u /* of the other bitmap's table */

/* `incompatible`: which L2 format, and whether the data is in another file. */
void crafted_image_make(struct crafted_image *image, uint32_t cluster_bits,
                        uint64_t incompatible);
void crafted_image_free(struct crafted_image *image);

/* File offset of a cluster, and of its `index`th 8-byte entry. */
uint64_t crafted_offset(const struct crafted_image *image, uint64_t cluster);
uint64_t crafted_entry(const struct crafted_image *image, uint64_t cluster,
                       uint64_t index);

void crafted_put32(struct crafted_image *image, uint64_t offset, uint32_t value);
void crafted_put64(struct crafted_image *image, uint64_t offset, uint64_t value);

/* An L2 entry for `length` compressed bytes at `offset`. */
uint64_t crafted_compressed(uint32_t cluster_bits, uint64_t offset, uint64_t length);

#endif
