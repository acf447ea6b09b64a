/* SPDX-License-Identifier: MIT */
/*
 * A small image on a disk that may lose its power: what was not synced is there or not,
 * sector by sector, and so is each change of the size.  Calls can be made to fail.
 */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_DISK_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "fuzz/harness/journal_input.h"
#include "journal/image_io.h"

#define JOURNAL_DISK_PENDING 128u

struct journal_file {
        uint64_t size;
        uint8_t bytes[JOURNAL_INPUT_MAX_IMAGE]; /* zeros behind the size */
};

struct journal_pending {
        bool is_size;
        uint32_t number; /* the sector, or the size */
        uint8_t content[512];
};

struct journal_disk {
        struct journal_file seen;    /* by programs */
        struct journal_file durable; /* on the disk */
        uint32_t changes;            /* writes, syncs and resizes that were made */
        bool lengthened;             /* by any of them */

        /* The last member: what is behind the count is no part of it. */
        uint32_t pending_count;
        struct journal_pending pending[JOURNAL_DISK_PENDING];
};

enum journal_disk_call { JOURNAL_DISK_LOOK, JOURNAL_DISK_CHANGE, JOURNAL_DISK_SYNC };

/* Asked before each call: 0, or the negative errno that it fails with, and whether the
 * process is gone: then it leaves no trace. */
extern int (*journal_disk_before)(enum journal_disk_call call, bool *gone);

struct image_io journal_disk_io(struct journal_disk *disk);

void journal_disk_copy(struct journal_disk *to, const struct journal_disk *from);

/* What programs see, without a call. */
void journal_disk_write(struct journal_disk *disk, uint64_t sector,
                        const uint8_t content[512], bool durable);
void journal_disk_resize(struct journal_disk *disk, uint64_t size, bool durable);

void journal_disk_sync(struct journal_disk *disk);

/* The power goes, and comes back: the pending changes that `chosen` has bits for, over
 * and over, are there. */
void journal_disk_lose_power(struct journal_disk *disk, uint64_t chosen);

void journal_file_resize(struct journal_file *file, uint64_t size);
bool journal_file_equal(const struct journal_file *a, const struct journal_file *b);

/* A sector; zeros behind the end. */
const uint8_t *journal_file_sector(const struct journal_file *file, uint64_t sector);

#endif
