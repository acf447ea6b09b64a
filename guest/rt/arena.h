/* SPDX-License-Identifier: MIT */
/*
 * The guest's only dynamic memory: a bump allocator over the arena.  Nothing is
 * freed on its own; arena_mark() and arena_release() drop everything allocated
 * in between, for loops that work in batches.
 */
#ifndef INSTAR_GUEST_RT_ARENA_H
#define INSTAR_GUEST_RT_ARENA_H

#include <stdint.h>

/* Start afresh (native runs call the program many times). */
void arena_reset(void);

/* `length` bytes, 16-byte aligned; zeroed.  NULL if the arena is exhausted: the
 * caller answers ABI_TOO_LARGE. */
void *arena_alloc(uint64_t length);

/* Bytes that arena_alloc could still give in one piece. */
uint64_t arena_left(void);

/* Bytes from the beginning that were ever handed out: no others may have been written. */
uint64_t arena_high_water(void);

uint64_t arena_mark(void);

/* Back to `mark`.  What is allocated again is cleared again. */
void arena_release(uint64_t mark);

/* Tell the host that the arena is going to be used up to `more` bytes beyond what
 * is allocated now, so that it can be backed by huge pages (an untouched 4 KiB
 * page costs 20 microseconds).  Worth it from about a megabyte. */
void arena_populate(uint64_t more);

#endif
