/* SPDX-License-Identifier: MIT */
/*
 * An image in memory with a disk below it, for rollback: what was written reaches
 * the disk with a sync.  A sync that is made to fail does the worst that a kernel does:
 * the pages count as clean afterwards, and the disk has none of it.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_MEMORY_IMAGE_H
#define INSTAR_TESTS_UNIT_JOURNAL_MEMORY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/image_io.h"

#define MEMORY_IMAGE_MAX (512u * 4096u)
#define MEMORY_IMAGE_LOG 4096u

struct memory_file {
        uint64_t size;
        uint8_t bytes[MEMORY_IMAGE_MAX]; /* zeros behind the size */
};

struct memory_image {
        struct memory_file cache;
        struct memory_file disk;
        bool dirty[MEMORY_IMAGE_MAX / 512u];
        bool size_dirty;
        uint64_t extent; /* no byte of either file at or behind this was ever set */

        unsigned int calls;         /* of any function */
        unsigned int fail_call;     /* this call fails, counted from 1; 0: none */
        bool fail_for_ever;         /* and all behind it */
        unsigned int writes;        /* bytes or size were changed */
        char log[MEMORY_IMAGE_LOG]; /* "W<sector>+<count> ", "S ", "T<size> " */
        size_t log_length;
};

struct memory_image *memory_image_create(uint64_t size, unsigned int seed);
void memory_image_free(struct memory_image *image);
struct image_io memory_image_io(struct memory_image *image);

/* No failures, an empty log, no calls. */
void memory_image_restart(struct memory_image *image);

/* Whether the disk holds exactly this file. */
bool memory_image_disk_is(const struct memory_image *image,
                          const struct memory_file *file);

#endif
