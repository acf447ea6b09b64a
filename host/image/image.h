/* SPDX-License-Identifier: MIT */
/*
 * Opening an image, the locks, positioned I/O.  Image bytes are never interpreted
 * here but for the 4-byte magic (invariant 8).
 */
#ifndef INSTAR_HOST_IMAGE_IMAGE_H
#define INSTAR_HOST_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/image_io.h"

struct image {
        int fd;
        bool block_device;
        uint64_t size;       /* bytes; taken again once the locks are held */
        char *resolved_path; /* absolute, symbolic links resolved; malloc'ed */
};

/* Why an image could not be used. */
enum image_error {
        IMAGE_OK = 0,
        IMAGE_OPEN_FAILED, /* errno in *error: missing, unreadable, read-only, ... */
        IMAGE_NOT_A_FILE,  /* neither a regular file nor a block device */
        IMAGE_IS_DIRECTORY,
        IMAGE_LOCKED,       /* another process uses it */
        IMAGE_NO_OFD_LOCKS, /* this file system has no OFD locks: errno in *error */
        IMAGE_READ_FAILED,
        IMAGE_NOT_QCOW2, /* the magic differs, or the file is shorter than it */
};

/*
 * Open `path` (a literal path, never a protocol) for reading and writing without
 * blocking on a FIFO or a device, resolve it, find its size.
 */
enum image_error image_open(const char *path, struct image *image, int *error);

/* The same for reading only. */
enum image_error image_open_read_only(const char *path, struct image *image, int *error);

/*
 * Take the locks of a qemu writer (bytes 100,101,103 and 201,203 shared; test 200,201,203
 * and 101,103), after an exclusive one on a byte of our own, so that of two
 * instars exactly one goes on.  All are OFD locks (fcntl(2)), gone with the
 * descriptor.  A process forked while the image is open shares them: it must close
 * image->fd.
 */
enum image_error image_lock(struct image *image, int *error);

/* Take the locks of a qemu reader that others may not write under (bytes 100,201,203
 * shared; test 200,101,103). */
enum image_error image_lock_shared(struct image *image, int *error);

/* Ask for image->size again.  0 or an errno. */
int image_refresh_size(struct image *image);

/* Compare the first four bytes with the qcow2 magic. */
enum image_error image_check_magic(struct image *image, int *error);

/* The image as the journal sees it; valid as long as *image is. */
struct image_io image_io(struct image *image);

/* 1 if [offset, +length) lies inside the file and is wholly a hole
 * (lseek(2), SEEK_DATA), 0 if not or not known, or a negative errno. */
int image_is_hole(struct image *image, uint64_t offset, uint64_t length);

/* Punch a hole (fallocate(2)).  -EOPNOTSUPP where the file system cannot. */
int image_punch(struct image *image, uint64_t offset, uint64_t length);

void image_close(struct image *image);

/* Free bytes of the file system that an open file lies on (statfs(2)); UINT64_MAX where
 * that is not known. */
uint64_t image_free_space(int fd);

#endif
