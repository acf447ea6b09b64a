/* SPDX-License-Identifier: MIT */
/*
 * A small image on a disk that loses its power.  What was written reaches the disk with
 * a sync; what was not synced when the power goes may be there or not, sector by
 * sector, in any combination, and so may each change of the size.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_POWER_IMAGE_H
#define INSTAR_TESTS_UNIT_JOURNAL_POWER_IMAGE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/image_io.h"

#define POWER_SECTORS 48u
#define POWER_PENDING 96u

/* What `before` answers where nobody is left to make the call: it leaves no trace. */
#define POWER_GONE (-ESHUTDOWN)

struct power_file {
        uint64_t size;
        uint8_t bytes[POWER_SECTORS * 512u]; /* zeros behind the size */
};

/* One thing that was not synced. */
struct power_change {
        bool is_size;
        uint64_t number; /* the sector, or the size */
        uint8_t content[512];
};

enum power_call { POWER_READ, POWER_WRITE, POWER_SYNC, POWER_RESIZE, POWER_SIZE };

struct power_image {
        struct power_file cache; /* what programs see */
        struct power_file disk;

        /* Asked before each call: 0, or the negative errno that it fails with.  A write
         * that fails has done half of its work; a sync that fails leaves pages that
         * count as clean, and nothing on the disk. */
        int (*before)(void *context, enum power_call call);
        void *context;
        bool lengthened; /* a write reached behind the end */

        /* The last member: what is behind the count is no part of it. */
        size_t pending_count;
        struct power_change pending[POWER_PENDING];
};

void power_image_fill(struct power_image *image, uint64_t size, unsigned int seed);
struct image_io power_image_io(struct power_image *image);

/* The power goes, and comes back: of the pending changes those are there that `chosen`
 * has a bit for. */
void power_image_lose_power(struct power_image *image, const uint8_t *chosen);

bool power_files_equal(const struct power_file *a, const struct power_file *b);

#endif
