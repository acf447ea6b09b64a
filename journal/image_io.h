/* SPDX-License-Identifier: MIT */
/*
 * The image as the journal sees it: a file with positioned I/O.  A table of
 * functions, so that tests run on memory and fail any call.
 *
 * Every function returns 0, or a negative errno.  Reads behind the end give zeros.
 * Writes are complete or failed.
 */
#ifndef INSTAR_JOURNAL_IMAGE_IO_H
#define INSTAR_JOURNAL_IMAGE_IO_H

#include <stddef.h>
#include <stdint.h>

struct image_io {
        void *context;
        int (*read)(void *context, uint64_t offset, void *buffer, size_t length);
        int (*write)(void *context, uint64_t offset, const void *buffer, size_t length);
        int (*sync)(void *context);
        int (*resize)(void *context, uint64_t size); /* ftruncate */
        int (*size)(void *context, uint64_t *size);
};

#endif
