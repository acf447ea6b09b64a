/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/guest_hosts.h"

#include <malloc.h>
#include <stdlib.h>

#define MEMORY (64ull << 20) /* of a guest */

/* Clearing it by hand would meet the poison of fuzz/arena_guard.c. */
#ifdef INSTAR_SANITIZE
#define KEEP_ARENA false
#else
#define KEEP_ARENA true
#endif

/* Memory that a run gives back is the next one's: its pages stay. */
static void keep_heap(void)
{
        mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the most there is */
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

struct guest_hosts guest_hosts_open(uint64_t capacity, bool bare_trace)
{
        const struct native_options options = {
            .image_capacity = capacity,
            .memory_limit = MEMORY,
            .keep_arena = KEEP_ARENA,
            .bare_trace = bare_trace,
        };
        struct guest_hosts hosts = {
            .host = native_host_create(&options),
            .looker = native_host_create(&options),
        };
        if (!hosts.host || !hosts.looker)
                abort();
        keep_heap();
        return hosts;
}
