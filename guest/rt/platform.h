/* SPDX-License-Identifier: MIT */
/*
 * The one seam between guest code and where it runs.  In a guest program these
 * are fixed addresses and one `out` instruction (platform_guest.c); in unit
 * tests and fuzzers they are provided by tests/native/.
 *
 * rt_ring() returns only when every request of the doorbell was carried out; a
 * request that fails ends the program (natively: a longjmp), so guest code never
 * looks at a status.
 */
#ifndef INSTAR_GUEST_RT_PLATFORM_H
#define INSTAR_GUEST_RT_PLATFORM_H

#include "guest/abi.h"

const struct abi_call *rt_call(void);
struct abi_doorbell *rt_doorbell(void);
void rt_ring(void);

/* The arena's first byte and its length in bytes; all zeros at the start. */
uint8_t *rt_arena_base(void);
uint64_t rt_arena_size(void);

#endif
