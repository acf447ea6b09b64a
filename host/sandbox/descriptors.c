/* SPDX-License-Identifier: MIT */
/*
 * Whatever the caller left open, and what instar itself has no use for any more, is
 * closed.  Only now, as the image may be named by such a descriptor (/dev/fd/N).
 *
 * The locks of the image belong to its open file description, so closing other
 * descriptors does not touch them (fcntl(2), unlike POSIX's own locks).
 */
#include "host/sandbox/layers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9 */
#endif

#define FIRST_OTHER (STDERR_FILENO + 1)

/* Ascending, without what is not there. */
struct kept {
        int fds[SANDBOX_KEEP_MAX + 2];
        unsigned int count;
};

static void insert(struct kept *kept, int fd)
{
        unsigned int i = kept->count;

        if (fd < FIRST_OTHER)
                return;
        for (; i > 0 && kept->fds[i - 1] > fd; i--)
                kept->fds[i] = kept->fds[i - 1];
        kept->fds[i] = fd;
        kept->count++;
}

static struct kept kept_of(const struct sandbox_config *config)
{
        struct kept kept = {.count = 0};

        if (config->table == SANDBOX_KVM_HOST)
                insert(&kept, config->machine);
        insert(&kept, config->journal_directory_fd);
        for (unsigned int i = 0; i < config->keep_count; i++)
                insert(&kept, config->keep[i]);
        return kept;
}

/* What lies between them. */
static int close_ranges(const struct kept *kept)
{
        unsigned int from = FIRST_OTHER;

        for (unsigned int i = 0; i < kept->count; i++) {
                unsigned int fd = (unsigned int)kept->fds[i];
                if (fd > from && syscall(SYS_close_range, from, fd - 1, 0u))
                        return -errno;
                from = fd + 1;
        }
        return syscall(SYS_close_range, from, ~0u, 0u) ? -errno : 0;
}

/* ---- a kernel without close_range(2) ---- */

static void close_other(const struct kept *kept, int fd)
{
        for (unsigned int i = 0; i < kept->count; i++)
                if (kept->fds[i] == fd)
                        return;
        if (fd >= FIRST_OTHER)
                (void)close(fd);
}

static void close_up_to_limit(const struct kept *kept)
{
        long limit = sysconf(_SC_OPEN_MAX);

        for (int fd = FIRST_OTHER; fd < limit; fd++)
                close_other(kept, fd);
}

/* Closing while the directory is read passes none over: it is read by number. */
int descriptors_close_listed(const struct sandbox_config *config)
{
        const struct kept kept = kept_of(config);
        DIR *list = opendir("/proc/self/fd");
        struct dirent *entry;

        if (!list) {
                close_up_to_limit(&kept);
                return 0;
        }
        while ((entry = readdir(list)))
                if (isdigit((unsigned char)entry->d_name[0]) &&
                    atoi(entry->d_name) != dirfd(list))
                        close_other(&kept, atoi(entry->d_name));
        closedir(list);
        return 0;
}

/* ---- the standard ones ---- */

#ifdef INSTAR_SANITIZE
#define LAST_OUTPUT STDOUT_FILENO /* the report of a fault goes to stderr */
#else
#define LAST_OUTPUT STDERR_FILENO
#endif

/* Nothing reads stdin.  Its number must not become free: it would be the journal's. */
static int silence(bool outputs_too)
{
        int null = open("/dev/null", (outputs_too ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        int last = outputs_too ? LAST_OUTPUT : STDIN_FILENO;
        int error = null < 0 ? -errno : 0;

        for (int fd = STDIN_FILENO; fd <= last && !error; fd++)
                if (dup2(null, fd) < 0)
                        error = -errno;
        return error; /* `null` itself is one of those that are closed next */
}

int descriptors_close_others(const struct sandbox_config *config)
{
        struct kept kept;
        int error;

        if (config->keep_count > SANDBOX_KEEP_MAX)
                return -EINVAL;
        kept = kept_of(config);
        error = silence(config->silent);
        if (!error)
                error = close_ranges(&kept);
        return error == -ENOSYS ? descriptors_close_listed(config) : error;
}
