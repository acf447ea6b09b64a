/* SPDX-License-Identifier: MIT */
/*
 * What a virtual disk reads as, cluster by cluster, however damaged the image is.  Shares
 * no code with guest/.
 */
#ifndef INSTAR_TESTS_UNIT_OPS_DISK_H
#define INSTAR_TESTS_UNIT_OPS_DISK_H

#include "tests/native/native_image.h"

struct disk {
        uint64_t count;
        uint64_t *clusters; /* what each reads as; 0: it cannot be told */
};

/* Of an image that may be anything; a disk of which nothing can be told has no clusters.
 */
void disk_read(const struct native_image *image, struct disk *disk);

/* The same of the disk as the L1 table at `l1` has it: a snapshot's. */
void disk_read_through(const struct native_image *image, uint64_t l1, uint64_t entries,
                       struct disk *disk);
void disk_free(struct disk *disk);

/* The first cluster that could be read before and reads otherwise now; UINT64_MAX: there
 * is none. */
uint64_t disk_difference(const struct disk *before, const struct disk *now);

#endif
