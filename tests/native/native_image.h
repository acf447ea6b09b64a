/* SPDX-License-Identifier: MIT */
/*
 * A file in memory: bytes, a size, and which of its blocks were ever written, so
 * that holes are known as a file system knows them.  The memory is reserved, not
 * used: an image may claim far more than it touches.
 */
#ifndef INSTAR_TESTS_NATIVE_NATIVE_IMAGE_H
#define INSTAR_TESTS_NATIVE_NATIVE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATIVE_IMAGE_DEFAULT_CAPACITY (1ull << 30)

struct native_image {
        uint8_t *bytes; /* `capacity` bytes; zeros behind `size` */
        uint64_t size;
        uint64_t capacity;
        uint64_t high_water; /* nothing behind it was ever written */
        uint32_t block_size; /* of the hole map: a power of two */
        uint64_t *written;   /* a bit per block */
};

/* An empty image.  `capacity`, rounded up to whole blocks; 0: the default.  `block_size`
 * is the granularity of holes (512 at least).  False where the memory cannot be reserved.
 */
bool native_image_create(struct native_image *image, uint64_t capacity,
                         uint32_t block_size);
void native_image_destroy(struct native_image *image);

/* Back to an empty image; quick: costs what was touched. */
void native_image_clear(struct native_image *image);

/* Copy [offset, +length) to `buffer`; zeros behind the end. */
void native_image_read(const struct native_image *image, uint64_t offset, void *buffer,
                       uint64_t length);

/* Write; the image grows to offset + length.  False beyond the capacity. */
bool native_image_write(struct native_image *image, uint64_t offset, const void *bytes,
                        uint64_t length);

/* What is cut off is gone: it reads as zeros if the image grows again. */
bool native_image_resize(struct native_image *image, uint64_t size);

void native_image_punch(struct native_image *image, uint64_t offset, uint64_t length);

/* True if [offset, +length) lies inside the image and was never written or punched. */
bool native_image_is_hole(const struct native_image *image, uint64_t offset,
                          uint64_t length);

/* The next blocks in a row that were written, the first of them the one of `from` or
 * behind it; all others are zeros.  False where there are none. */
bool native_image_data(const struct native_image *image, uint64_t from, uint64_t *offset,
                       uint64_t *length);

/* Make `to` what `from` is, holes included; same block size, capacity enough. */
bool native_image_copy(struct native_image *to, const struct native_image *from);

/* Same size and same bytes. */
bool native_image_equal(const struct native_image *a, const struct native_image *b);

/* Take the content of a buffer; all of it counts as written. */
bool native_image_load(struct native_image *image, const void *bytes, uint64_t length);

/* Read a file, write one; holes of a file stay holes.  False with errno set. */
bool native_image_load_file(struct native_image *image, const char *path);
bool native_image_save_file(const struct native_image *image, const char *path);

#endif
