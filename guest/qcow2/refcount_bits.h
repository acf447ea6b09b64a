/* SPDX-License-Identifier: MIT */
/* Refcounts of every width in a refcount block ("Refcount block"): the first of those
 * that share a byte stands in its lowest bits. */
#ifndef INSTAR_GUEST_QCOW2_REFCOUNT_BITS_H
#define INSTAR_GUEST_QCOW2_REFCOUNT_BITS_H

#include <stdint.h>

/* The byte, a multiple of 8, in whose 8 bytes refcount `index` of a block begins. */
static inline uint64_t refcount_byte(uint32_t order, uint64_t index)
{
        return (index << order) / 64 * 8;
}

/* Refcount `index` of those at `bytes`; `order`: log2 of the width in bits, 0 to 6. */
uint64_t refcount_load(uint32_t order, const uint8_t *bytes, uint64_t index);

/* Store one; bits of `value` beyond the width are left out. */
void refcount_store(uint32_t order, uint8_t *bytes, uint64_t index, uint64_t value);

#endif
