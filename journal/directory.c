/* SPDX-License-Identifier: MIT */
#include "journal/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_directory(const char *path)
{
        int error = 0;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (fsync(fd) != 0)
                error = -errno;
        close(fd);
        return error;
}

/* Make one directory, and its entry durable in `parent`.  One that may not last does not
 * stay: whoever finds it there takes it for durable. */
static int make_one(const char *parent, const char *path)
{
        int error;

        if (mkdir(path, 0700) != 0)
                return errno == EEXIST ? 0 : -errno;
        error = sync_directory(parent);
        if (error)
                rmdir(path);
        return error;
}

/* Each prefix of the path in turn, the shortest first. */
static int make_along(char *path)
{
        char *end = path;

        for (;;) {
                char saved;
                char *slash;
                int error;

                end += strspn(end, "/");
                end += strcspn(end, "/");
                saved = *end;
                *end = '\0';
                slash = strrchr(path, '/');
                *slash = '\0';
                {
                        char *parent = slash == path ? strdup("/") : strdup(path);
                        *slash = '/';
                        error = parent ? make_one(parent, path) : -ENOMEM;
                        free(parent);
                }
                *end = saved;
                if (error || saved == '\0')
                        return error;
        }
}

int make_directories(const char *path)
{
        struct stat status;
        char *copy;
        size_t length;
        int error;

        if (path[0] != '/')
                return -EINVAL;
        if (stat(path, &status) == 0)
                return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
        if (errno != ENOENT) /* half of a path that is too long helps nobody */
                return -errno;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        for (length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--)
                copy[length - 1] = '\0';
        error = make_along(copy);
        free(copy);
        return error;
}

/* Takes over `fd`: gives it back, or closes it and gives the error. */
static int only_if_private(int fd)
{
        struct stat status;
        int error = 0;

        if (fstat(fd, &status) != 0)
                error = -errno;
        else if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
                error = -EPERM;
        if (!error)
                return fd;
        close(fd);
        return error;
}

int open_private_directory(const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

        return fd < 0 ? -errno : only_if_private(fd);
}

int open_private_directory_in(int parent, const char *name)
{
        int fd;

        if (mkdirat(parent, name, 0700) == 0) {
                if (fsync(parent) != 0) {
                        int error = -errno;

                        unlinkat(parent, name, AT_REMOVEDIR); /* as above */
                        return error;
                }
        } else if (errno != EEXIST) {
                return -errno;
        }
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
        return fd < 0 ? -errno : only_if_private(fd);
}
