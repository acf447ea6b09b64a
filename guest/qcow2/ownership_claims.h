/* SPDX-License-Identifier: MIT */
/*
 * The claimed clusters of a proof of ownership, and which of them somebody
 * contests.
 *
 * Three structures, from coarse to exact, because nearly every question ("does this
 * L2 entry name a claimed cluster?") is answered no:
 *
 *   1. [low, high): all claims lie between these file offsets;
 *   2. a filter over that range, each bit for a block of 2^n clusters, n as small as
 *      the size allows.  It fits the processor's first caches, and a guest whose
 *      untouched pages are dear;
 *   3. sorted, disjoint runs with one bit a claimed cluster: contested.
 */
#ifndef INSTAR_GUEST_QCOW2_OWNERSHIP_CLAIMS_H
#define INSTAR_GUEST_QCOW2_OWNERSHIP_CLAIMS_H

#include "guest/qcow2/ownership_ranges.h"

#define CLAIMS_MIN_FILTER_BITS (1ull << 18)
#define CLAIMS_MAX_FILTER_BITS (1ull << 21)

struct claims {
        uint32_t cluster_bits;
        uint64_t low;  /* first byte of the lowest claimed cluster */
        uint64_t high; /* first byte behind the highest */

        uint32_t block_bits; /* log2 of the bytes that a filter bit stands for */
        uint64_t reach;      /* bytes from `low` on that the filter's blocks cover */
        uint64_t *filter;    /* with one bit more, never set, for all that is outside */

        struct cluster_range *runs; /* sorted, disjoint, not touching */
        uint64_t run_count;
        uint64_t *first_bit; /* of each run: its first cluster's place in `contested` */
        uint64_t *contested;
};

/*
 * Build the structures from the claims in `list`, which is consumed.  A cluster
 * that the list names twice is contested.  False if the arena is exhausted.
 */
bool claims_build(struct claims *claims, struct range_list *list, uint32_t cluster_bits);

/* Contest the claimed ones among clusters [first, first + count); the sum must not
 * overflow. */
void claims_contest(struct claims *claims, uint64_t first, uint64_t count);

/* The same for every cluster with a byte in [offset, offset + length); an end beyond
 * 2^64 stands for 2^64. */
void claims_contest_bytes(struct claims *claims, uint64_t offset, uint64_t length);

/* True if `cluster` is claimed and nobody contests it. */
bool claims_hold(const struct claims *claims, uint64_t cluster);

/* The filter's bit for the byte at `offset`: 0 means that its cluster is not claimed.
 * There must be claims. */
static inline uint64_t claims_filter(const struct claims *claims, uint64_t offset)
{
        uint64_t distance = offset - claims->low; /* below `low` wraps to far above */
        uint64_t block =
            (distance < claims->reach ? distance : claims->reach) >> claims->block_bits;
        return (claims->filter[block / 64] >> (block % 64)) & 1;
}

#endif
