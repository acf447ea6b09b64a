/* SPDX-License-Identifier: MIT */
/*
 * A second opinion on a qcow2 image: an independent reader and checker that shares
 * no code with guest/.  Strict where instar promises something, and as exact as
 * `qemu-img check` about refcounts.
 */
#ifndef INSTAR_TESTS_NATIVE_READER_H
#define INSTAR_TESTS_NATIVE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/native/native_image.h"

struct read_bitmap {
        uint8_t name[1024];
        uint32_t name_length;
        uint32_t flags;
        uint32_t granularity_bits;
        uint32_t extra_length;
        uint64_t extra_hash;
        uint64_t table_offset;
        uint32_t table_entries;
        uint64_t data_clusters; /* that the table names */
        uint64_t ones_entries;
        bool has_bits; /* false for a bitmap in use */
        uint8_t *bits;
        uint64_t bits_length; /* bytes */
};

struct read_image {
        const struct native_image *file;
        char error[160]; /* empty: readable */

        uint32_t cluster_bits;
        uint64_t cluster_size;
        uint64_t virtual_size;
        uint64_t autoclear;
        bool has_extension;    /* with at least one bitmap */
        uint32_t extension_at; /* of the record */
        bool stale;            /* extension without the autoclear bit */
        uint64_t directory_offset, directory_size;
        uint32_t bitmap_count;
        struct read_bitmap *bitmaps;

        uint64_t leaks;       /* clusters whose refcount is higher than it should be */
        uint64_t corruptions; /* lower */
        uint64_t tail_free;   /* clusters at the end of the file that nothing uses */
        uint64_t first_leak, first_corruption;

        /* Everything that is not ours, as one number each. */
        uint64_t
            header_hash; /* header fields but autoclear, refcount table, name's place */
        uint64_t backing_hash;   /* the backing file's name */
        uint64_t extension_hash; /* all other records, in order */
        uint64_t guest_hash;     /* what a virtual machine reads */
        uint64_t snapshot_hash;  /* snapshot table, and what each snapshot reads */
};

/* Read and check.  `read->error` says what is wrong where it is unreadable; refcounts
 * are judged by the caller. */
void read_image(const struct native_image *file, struct read_image *read);
void read_image_free(struct read_image *read);

/* NULL if there is no such bitmap. */
const struct read_bitmap *read_find(const struct read_image *read, const void *name,
                                    size_t length);

/* Bit `index` of a bitmap. */
bool read_bit(const struct read_bitmap *bitmap, uint64_t index);

/* True if name, flags, granularity, extra data and bits are the same. */
bool read_same_bitmap(const struct read_bitmap *a, const struct read_bitmap *b);

/* True if both have the same list, in the same order. */
bool read_same_list(const struct read_image *a, const struct read_image *b);

/* NULL if everything that is not a bitmap is the same; otherwise what differs. */
const char *read_difference(const struct read_image *a, const struct read_image *b);

#endif
