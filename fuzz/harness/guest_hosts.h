/* SPDX-License-Identifier: MIT */
/* The hosts of the guest's programs, made for many short runs. */
#ifndef INSTAR_FUZZ_HARNESS_GUEST_HOSTS_H
#define INSTAR_FUZZ_HARNESS_GUEST_HOSTS_H

#include "tests/native/native_host.h"

struct guest_hosts {
        struct native_host *host;
        struct native_host *looker; /* a second one, for looks at other images */
};

/* Aborts where there is no memory.  `capacity` is an image's; for `bare_trace` see
 * native_host.h. */
struct guest_hosts guest_hosts_open(uint64_t capacity, bool bare_trace);

#endif
