/* SPDX-License-Identifier: MIT */
/*
 * Changes that the guest has declared and that are not applied yet, in the order of
 * their declaration.  The host's own memory: what was journaled is what is
 * written, whatever the guest does to its copy meanwhile (invariant 9).  Overwrites
 * keep a private copy of their bytes; fresh changes, which may be large, keep the hash of
 * every sector and are compared when they are written.
 */
#ifndef INSTAR_HOST_VMM_PENDING_H
#define INSTAR_HOST_VMM_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"

struct pending_change {
        uint32_t step;
        uint32_t flags;
        uint64_t offset;
        uint64_t length;
        guest_addr_t address;
        size_t store; /* overwrite: its bytes in `bytes`; fresh: its hashes in `hashes` */
};

struct pending {
        struct pending_change *changes; /* ABI_MAX_PENDING */
        uint32_t count;
        uint8_t *bytes;
        size_t bytes_used;
        uint64_t *hashes;
        size_t hashes_used;
};

/* Room for the copies, touched only as far as used. */
#define PENDING_BYTES  ((size_t)16 << 20)
#define PENDING_HASHES ((size_t)1 << 20) /* 512 MiB of fresh sectors */

/* Before the sandbox is armed.  0 or -ENOMEM. */
int pending_create(struct pending *pending);
void pending_destroy(struct pending *pending);

/* Forget everything. */
void pending_clear(struct pending *pending);

/* Append a change with room for `bytes` bytes and `hashes` hashes; NULL when full. */
struct pending_change *pending_add(struct pending *pending, size_t bytes, size_t hashes);

/* Lay the overwrites that are pending over `buffer`, which holds the image's
 * [offset, +length). */
void pending_overlay(const struct pending *pending, uint64_t offset, uint8_t *buffer,
                     size_t length);

/* True if a pending fresh change overlaps [offset, +length). */
bool pending_fresh_overlaps(const struct pending *pending, uint64_t offset,
                            uint64_t length);

#endif
