/* SPDX-License-Identifier: MIT */
/*
 * A cache of 512-byte sectors of the image with two contents each: what is in the
 * file, and what the plan wants there.  Refcount blocks are edited through it, so
 * that cost follows the change and not the size of a block.
 */
#ifndef INSTAR_GUEST_QCOW2_SECTORS_H
#define INSTAR_GUEST_QCOW2_SECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/abi.h"

struct sector {
        uint64_t offset; /* in the file, a multiple of ABI_SECTOR */
        bool loading;    /* queued, not yet here */
        bool fresh;      /* of a cluster that the plan allocates: not in the file yet */
        uint8_t
            base[ABI_SECTOR]; /* in the file, once the steps emitted so far are applied */
        uint8_t now[ABI_SECTOR];
};

/* An open hash table of sectors by offset. */
struct sectors {
        struct sector **slots;
        uint64_t capacity; /* a power of two; 0 at first */
        uint64_t count;
        bool loading; /* some sector is */
};

/* Queue the read of the sector at `offset` unless it is known.  ABI_TOO_LARGE if
 * the arena is exhausted. */
enum abi_code sectors_want(struct sectors *sectors, uint64_t offset);

/* Wait for everything that sectors_want() queued. */
void sectors_load(struct sectors *sectors);

/* The sector at `offset`, read on its own if nobody wanted it before. */
enum abi_code sectors_get(struct sectors *sectors, uint64_t offset,
                          struct sector **sector);

/* A sector of a fresh cluster: zeros, nothing is read. */
enum abi_code sectors_get_fresh(struct sectors *sectors, uint64_t offset,
                                struct sector **sector);

/*
 * Emit the changes of all sectors as writes of `step`, the changed bytes only, and
 * take them for applied.  The bytes are copied: sectors may change again.
 * ABI_TOO_LARGE if the arena is exhausted, before anything is emitted of that sector;
 * sectors_emit_cost() says beforehand how much it takes.
 */
enum abi_code sectors_emit(struct sectors *sectors, uint32_t step);

/*
 * The same for a step whose changes may be applied one by one, as those of a release:
 * in parts, so that no number of sectors is too many to be declared.
 */
enum abi_code sectors_emit_parts(struct sectors *sectors, uint32_t step);

/* An upper bound of the arena bytes that sectors_emit() takes now. */
uint64_t sectors_emit_cost(const struct sectors *sectors);

#endif
