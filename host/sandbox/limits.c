/* SPDX-License-Identifier: MIT */
#include "host/sandbox/layers.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* A few standard ones, image, journal, its directory, KVM's, the index's socket. */
#define DESCRIPTOR_LIMIT 64

/* Lower one limit, soft and hard; a lower one of the caller's is left alone. */
static int lower(int resource, rlim_t limit)
{
        struct rlimit now;

        if (getrlimit((__rlimit_resource_t)resource, &now))
                return -errno;
        if (now.rlim_cur > limit)
                now.rlim_cur = limit;
        if (now.rlim_max > limit)
                now.rlim_max = limit;
        return setrlimit((__rlimit_resource_t)resource, &now) ? -errno : 0;
}

int limits_set(uint64_t file_size_limit)
{
        int error = lower(RLIMIT_NOFILE, DESCRIPTOR_LIMIT);

        if (!error)
                error = lower(RLIMIT_CORE, 0);
        if (!error && file_size_limit)
                error = lower(RLIMIT_FSIZE, file_size_limit);
        /* The core limit does not bind a core_pattern that is a pipe; this does. */
        if (!error && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
                error = -errno;
        return error;
}
