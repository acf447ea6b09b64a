/* SPDX-License-Identifier: MIT */
/*
 * Positioned input and output.
 *
 * Everything here runs after the system-call filter is armed: no function allocates
 * memory, and the size is asked with lseek(2), which is needed for holes anyway and works
 * on block devices too, so that neither fstat nor an ioctl has to be allowed.
 *
 * A sync that failed is reported and never tried again: the kernel forgets the error with
 * the report, and a second call would claim success for data that is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "guest/rt/checked.h"
#include "host/image/image.h"

/* The first four bytes of every qcow2 file (qcow2 specification, "Header"). */
static const uint8_t qcow2_magic[4] = {'Q', 'F', 'I', 0xfb};

static bool fits_off_t(uint64_t offset, uint64_t length)
{
        return range_inside(offset, length, INT64_MAX);
}

/* Read up to `length` bytes; fewer only at the end of the file. */
static int read_until_end(int fd, uint64_t offset, uint8_t *buffer, size_t length,
                          size_t *done)
{
        *done = 0;
        if (!fits_off_t(offset, length))
                return -EFBIG;
        while (*done < length) {
                ssize_t got =
                    pread(fd, buffer + *done, length - *done, (off_t)(offset + *done));
                if (got == 0)
                        break;
                if (got > 0)
                        *done += (size_t)got;
                else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int io_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        const struct image *image = context;
        size_t done;
        int error = read_until_end(image->fd, offset, buffer, length, &done);

        if (!error)
                memset((uint8_t *)buffer + done, 0, length - done);
        return error;
}

static int io_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        const struct image *image = context;
        const uint8_t *bytes = buffer;

        if (!fits_off_t(offset, length))
                return -EFBIG;
        while (length > 0) {
                ssize_t put = pwrite(image->fd, bytes, length, (off_t)offset);
                if (put < 0 && errno != EINTR)
                        return -errno;
                if (put == 0)
                        return -EIO;
                if (put > 0) {
                        bytes += put;
                        offset += (uint64_t)put;
                        length -= (size_t)put;
                }
        }
        return 0;
}

static int io_sync(void *context)
{
        const struct image *image = context;

        return fdatasync(image->fd) == 0 ? 0 : -errno;
}

static int io_resize(void *context, uint64_t size)
{
        const struct image *image = context;
        int failed;

        if (size > INT64_MAX)
                return -EFBIG;
        do
                failed = ftruncate(image->fd, (off_t)size);
        while (failed && errno == EINTR);
        return failed ? -errno : 0;
}

static int io_size(void *context, uint64_t *size)
{
        const struct image *image = context;
        off_t end = lseek(image->fd, 0, SEEK_END);

        if (end < 0)
                return -errno;
        *size = (uint64_t)end;
        return 0;
}

struct image_io image_io(struct image *image)
{
        return (struct image_io){
            .context = image,
            .read = io_read,
            .write = io_write,
            .sync = io_sync,
            .resize = io_resize,
            .size = io_size,
        };
}

int image_refresh_size(struct image *image)
{
        return -io_size(image, &image->size);
}

enum image_error image_check_magic(struct image *image, int *error)
{
        uint8_t first[sizeof qcow2_magic];
        size_t done;

        *error = -read_until_end(image->fd, 0, first, sizeof first, &done);
        if (*error)
                return IMAGE_READ_FAILED;
        if (done < sizeof first || memcmp(first, qcow2_magic, sizeof first) != 0)
                return IMAGE_NOT_QCOW2;
        return IMAGE_OK;
}

/* lseek(2): with SEEK_DATA, ENXIO says that no data follows; a file system or device
 * that knows no holes reports data everywhere, or EINVAL. */
int image_is_hole(struct image *image, uint64_t offset, uint64_t length)
{
        uint64_t size = 0;
        off_t data;
        int error = io_size(image, &size);

        if (error)
                return error;
        if (length == 0 || !range_inside(offset, length, size))
                return 0;
        data = lseek(image->fd, (off_t)offset, SEEK_DATA);
        if (data >= 0)
                return (uint64_t)data >= offset + length;
        if (errno == ENXIO)
                return 1;
        return errno == EINVAL || errno == EOPNOTSUPP ? 0 : -errno;
}

int image_punch(struct image *image, uint64_t offset, uint64_t length)
{
        int failed;

        if (!fits_off_t(offset, length))
                return -EFBIG;
        do
                failed = fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   (off_t)offset, (off_t)length);
        while (failed && errno == EINTR);
        return failed ? -errno : 0;
}
