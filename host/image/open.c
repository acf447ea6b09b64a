/* SPDX-License-Identifier: MIT */
/*
 * Opening an image by its literal path.
 *
 * The path comes from the command line, never from an image (invariant 8), and is never
 * taken apart: `file:x` and `json:{}` are names of files.  What it leads to may be
 * anything, and opening some things has effects or never returns: a FIFO waits for its
 * other end, a tape rewinds, a watchdog starts.  So the type is looked at first, by
 * path, then again on the open descriptor, which alone counts.
 *
 * The journal lives beside the file that the path leads to, not beside a symbolic
 * link, so the path is resolved.  The descriptor's own entry in /proc says best what was
 * opened; without /proc realpath(3) does.  Either answer counts only if it leads to
 * the very file that is open: a file that was renamed or unlinked meanwhile is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/image/image.h"

static enum image_error type_error(mode_t mode)
{
        if (S_ISREG(mode) || S_ISBLK(mode))
                return IMAGE_OK;
        return S_ISDIR(mode) ? IMAGE_IS_DIRECTORY : IMAGE_NOT_A_FILE;
}

static enum image_error open_failed(int *error)
{
        *error = errno;
        return *error == EISDIR ? IMAGE_IS_DIRECTORY : IMAGE_OPEN_FAILED;
}

/* True if `path` leads to the file that `opened` describes. */
static bool leads_to(const char *path, const struct stat *opened)
{
        struct stat found;

        return path[0] == '/' && stat(path, &found) == 0 &&
               found.st_dev == opened->st_dev && found.st_ino == opened->st_ino;
}

/* The path of an open file as the kernel knows it; malloc'ed, or NULL. */
static char *path_from_proc(int fd)
{
        char link[sizeof "/proc/self/fd/" + 3 * sizeof(int)];
        char *path = malloc(PATH_MAX);
        ssize_t length;

        if (!path)
                return NULL;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, path, PATH_MAX);
        if (length <= 0 || length == PATH_MAX) {
                free(path);
                return NULL;
        }
        path[length] = '\0';
        return path;
}

/* Fill image->resolved_path, or say in errno why it cannot be known. */
static bool resolve(const char *path, struct image *image, const struct stat *opened)
{
        image->resolved_path = path_from_proc(image->fd);
        if (image->resolved_path && leads_to(image->resolved_path, opened))
                return true;
        free(image->resolved_path);
        image->resolved_path = realpath(path, NULL);
        if (!image->resolved_path)
                return false;
        if (leads_to(image->resolved_path, opened))
                return true;
        errno = ESTALE;
        return false;
}

/* The kernel may open a read-only device for writing and fail only the writes. */
static bool is_read_only_device(int fd)
{
        int read_only = 0;

        return ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
}

static enum image_error examine(const char *path, struct image *image, bool read_only,
                                int *error)
{
        struct stat opened;
        enum image_error wrong_type;

        if (fstat(image->fd, &opened) != 0)
                return open_failed(error);
        wrong_type = type_error(opened.st_mode);
        if (wrong_type)
                return wrong_type;
        image->block_device = S_ISBLK(opened.st_mode);
        if (image->block_device && !read_only && is_read_only_device(image->fd)) {
                *error = EROFS;
                return IMAGE_OPEN_FAILED;
        }
        *error = image_refresh_size(image);
        if (*error)
                return IMAGE_OPEN_FAILED;
        if (!resolve(path, image, &opened))
                return open_failed(error);
        return IMAGE_OK;
}

static enum image_error open_image(const char *path, struct image *image, bool read_only,
                                   int *error)
{
        struct stat before;
        enum image_error result;

        *image = (struct image){.fd = -1};
        *error = 0;
        if (stat(path, &before) != 0)
                return open_failed(error);
        result = type_error(before.st_mode);
        if (result)
                return result;
        image->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK |
                                   O_NOCTTY);
        if (image->fd < 0)
                return open_failed(error);
        result = examine(path, image, read_only, error);
        if (result)
                image_close(image);
        return result;
}

enum image_error image_open(const char *path, struct image *image, int *error)
{
        return open_image(path, image, false, error);
}

enum image_error image_open_read_only(const char *path, struct image *image, int *error)
{
        return open_image(path, image, true, error);
}

void image_close(struct image *image)
{
        if (image->fd >= 0)
                close(image->fd);
        free(image->resolved_path);
        *image = (struct image){.fd = -1};
}
