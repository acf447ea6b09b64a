/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_TESTS_NATIVE_READER_INTERNAL_H
#define INSTAR_TESTS_NATIVE_READER_INTERNAL_H

#include "tests/native/reader.h"

/* What the reader works with while it walks. */
struct walk {
        struct read_image *read;
        const struct native_image *file;
        uint64_t clusters; /* of the file, the last one may be there in part */
        uint32_t *counted; /* references found, per cluster */
        uint64_t refcount_table, refcount_table_clusters;
        uint64_t l1, l1_entries;
        uint64_t snapshots, snapshot_count;
        uint64_t backing_offset;
        uint32_t backing_size;
        uint32_t header_length;
        uint64_t incompatible;
};

/* Note an error (the first one stays); returns false. */
bool reader_fail(struct walk *walk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

uint64_t reader_u64(const struct walk *walk, uint64_t offset);
uint32_t reader_u32(const struct walk *walk, uint64_t offset);
uint32_t reader_u16(const struct walk *walk, uint64_t offset);

uint64_t reader_hash(uint64_t hash, const void *bytes, uint64_t length);
uint64_t reader_hash_file(uint64_t hash, const struct walk *walk, uint64_t offset,
                          uint64_t length);

/* Count a reference to every cluster of [offset, +length); false outside the file. */
bool reader_count(struct walk *walk, uint64_t offset, uint64_t length, const char *what);

bool reader_bitmaps(struct walk *walk);   /* reader_bitmaps.c */
bool reader_guest(struct walk *walk);     /* reader_guest.c: L1, L2, snapshots */
bool reader_refcounts(struct walk *walk); /* reader_refcounts.c: last */

#endif
