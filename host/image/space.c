/* SPDX-License-Identifier: MIT */
#include <sys/vfs.h>
#include <unistd.h>

#include "host/image/image.h"

/* The superuser may use what is reserved.  A file system that tells no size (a tmpfs
 * without a limit, some network file systems) has no answer. */
uint64_t image_free_space(int fd)
{
        struct statfs status;
        uint64_t blocks;
        uint64_t bytes;
        uint64_t unit;

        if (fstatfs(fd, &status) != 0 || status.f_blocks == 0)
                return UINT64_MAX;
        blocks = geteuid() == 0 ? status.f_bfree : status.f_bavail;
        /* Blocks are counted in units of the fragment size, where there is one. */
        unit = (uint64_t)(status.f_frsize > 0 ? status.f_frsize : status.f_bsize);
        if (__builtin_mul_overflow(blocks, unit, &bytes))
                return UINT64_MAX;
        return bytes;
}
