/* SPDX-License-Identifier: MIT */
/*
 * The fingerprint that guest and host compare old bytes by: XXH3, 64 bits, seed
 * 0.  It guards against other writers, not against an attacker: a guest that lies
 * about its own image harms only that image.
 */
#ifndef INSTAR_GUEST_RT_FINGERPRINT_H
#define INSTAR_GUEST_RT_FINGERPRINT_H

#include <stdint.h>

/* Of `length` bytes at `data`. */
uint64_t fingerprint(const void *data, uint64_t length);

#endif
