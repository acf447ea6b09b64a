/* SPDX-License-Identifier: MIT */
/* Overflow-checked arithmetic for every number that an image gave us. */
#ifndef INSTAR_GUEST_RT_CHECKED_H
#define INSTAR_GUEST_RT_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* *sum := a + b; false if that does not fit. */
static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
        return !__builtin_add_overflow(a, b, sum);
}

/* *product := a * b; false if that does not fit. */
static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
        return !__builtin_mul_overflow(a, b, product);
}

/* True if [offset, offset + length) lies inside [0, end). */
static inline bool range_inside(uint64_t offset, uint64_t length, uint64_t end)
{
        return length <= end && offset <= end - length;
}

/* True if [a, a + a_length) and [b, b + b_length) share a byte; both must be
 * ranges that do not overflow. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_length, uint64_t b,
                                  uint64_t b_length)
{
        return a_length && b_length && a < b + b_length && b < a + a_length;
}

/* ceil(value / divisor), divisor > 0; cannot overflow. */
static inline uint64_t divide_up(uint64_t value, uint64_t divisor)
{
        return value / divisor + (value % divisor != 0);
}

/* The smallest multiple of `unit` (a power of two) that is >= value; false if
 * that does not fit. */
static inline bool checked_round_up(uint64_t value, uint64_t unit, uint64_t *rounded)
{
        if (!checked_add(value, unit - 1, rounded))
                return false;
        *rounded &= ~(unit - 1);
        return true;
}

#endif
