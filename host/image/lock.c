/* SPDX-License-Identifier: MIT */
/*
 * The locks of a qemu writer, so that qemu and instar refuse each other.
 *
 * qemu announces what it does with an image by shared locks on single bytes: byte 100+i
 * says "I use permission i", byte 200+i says "I do not share permission i", where i
 * is 0 for a consistent read, 1 for write, 3 for resize.  After taking its own
 * bytes a program tests, as if for an exclusive lock, whether somebody else holds a byte
 * that conflicts: those who do not share what it uses, and those who use what it does not
 * share.  Locking first and testing then means that two racers may both fail, but
 * never both go on.
 *
 * instar edits as a writer that may resize and shares neither.  As two instars could
 * both fail in that race, an exclusive lock on a byte of our own comes first: of
 * two, exactly one has it.  Where it only looks, it is a reader that shares neither.
 *
 * All are OFD locks (fcntl(2)): they belong to the open file description and go with
 * its last descriptor.  A child that is forked while the image is open must close it, or
 * it holds the locks beyond the parent's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "host/image/image.h"

/* Behind qemu's bytes, which end at 263. */
#define OWN_BYTE 400

/* What is locked, and what nobody else may hold; ended by 0. */
struct locks {
        off_t taken[6];
        off_t tested[6];
};

static const struct locks writer = {{100, 101, 103, 201, 203}, {200, 201, 203, 101, 103}};
static const struct locks reader = {{100, 201, 203}, {200, 101, 103}};

static struct flock one_byte(short type, off_t byte)
{
        return (struct flock){
            .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

static enum image_error lock_failed(int *error)
{
        *error = errno;
        return *error == EAGAIN || *error == EACCES ? IMAGE_LOCKED : IMAGE_NO_OFD_LOCKS;
}

/* Take a lock without waiting. */
static enum image_error take(int fd, short type, off_t byte, int *error)
{
        struct flock lock = one_byte(type, byte);

        return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? IMAGE_OK : lock_failed(error);
}

/* IMAGE_LOCKED if anybody else holds `byte` in whatever way. */
static enum image_error test(int fd, off_t byte, int *error)
{
        struct flock lock = one_byte(F_WRLCK, byte);

        if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
                return lock_failed(error);
        return lock.l_type == F_UNLCK ? IMAGE_OK : IMAGE_LOCKED;
}

static enum image_error take_all(struct image *image, const struct locks *locks,
                                 int *error)
{
        enum image_error result = IMAGE_OK;

        for (const off_t *byte = locks->taken; !result && *byte; byte++)
                result = take(image->fd, F_RDLCK, *byte, error);
        for (const off_t *byte = locks->tested; !result && *byte; byte++)
                result = test(image->fd, *byte, error);
        if (result)
                return result;
        *error = image_refresh_size(image);
        return *error ? IMAGE_READ_FAILED : IMAGE_OK;
}

enum image_error image_lock(struct image *image, int *error)
{
        enum image_error result;

        *error = 0;
        result = take(image->fd, F_WRLCK, OWN_BYTE, error);
        return result ? result : take_all(image, &writer, error);
}

enum image_error image_lock_shared(struct image *image, int *error)
{
        *error = 0;
        return take_all(image, &reader, error);
}
