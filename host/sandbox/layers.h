/* SPDX-License-Identifier: MIT */
/* The layers that sandbox_arm() puts on; 0 or a negative errno each. */
#ifndef INSTAR_HOST_SANDBOX_LAYERS_H
#define INSTAR_HOST_SANDBOX_LAYERS_H

#include <stdint.h>

#include "host/sandbox/sandbox.h"

/* What the runtime of the sanitizers can do only as long as it is not confined
 * (sanitizers.c).  Other builds have none. */
#ifdef INSTAR_SANITIZE
void sanitizers_prepare(void);
#else
static inline void sanitizers_prepare(void)
{
}
#endif

/* The seccomp filter of config->table (filter.c).  Needs NO_NEW_PRIVS. */
int filter_install(const struct sandbox_config *config);

/* Close every descriptor that *config does not keep; stdin becomes /dev/null, and where
 * it is to be silent stdout and stderr, too (descriptors.c). */
int descriptors_close_others(const struct sandbox_config *config);

/* The part of it for a kernel that has no close_range(2). */
int descriptors_close_listed(const struct sandbox_config *config);

/* The Landlock ABI of this kernel; 0 if it has none (landlock.c). */
int landlock_abi(void);

/* Allow files to be created, written and unlinked below this directory (-1: nowhere) and
 * nothing else of what the kernel's Landlock knows.  Needs NO_NEW_PRIVS. */
int landlock_restrict(int directory_fd);

/* What no run needs that reads journals: device nodes, FIFOs, sockets and links are not
 * made, directories not removed, files not executed; no TCP; neither signals nor
 * ptrace(2) reach processes that it has not started itself, as far as the kernel's
 * Landlock knows that.  Needs NO_NEW_PRIVS. */
int landlock_restrict_first(void);

/* No core dumps, few descriptors, files not larger than this (limits.c). */
int limits_set(uint64_t file_size_limit);

#endif
