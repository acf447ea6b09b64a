/* SPDX-License-Identifier: MIT */
/* Big-endian loads and stores: on-disk qcow2 numbers exist only behind these.
 * __builtin_memcpy, because a plain memcpy is a call where -ffreestanding is set. */
#ifndef INSTAR_GUEST_RT_BYTES_H
#define INSTAR_GUEST_RT_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const void *p)
{
        uint16_t v;
        __builtin_memcpy(&v, p, sizeof v);
        return __builtin_bswap16(v);
}

static inline uint32_t load_be32(const void *p)
{
        uint32_t v;
        __builtin_memcpy(&v, p, sizeof v);
        return __builtin_bswap32(v);
}

static inline uint64_t load_be64(const void *p)
{
        uint64_t v;
        __builtin_memcpy(&v, p, sizeof v);
        return __builtin_bswap64(v);
}

static inline void store_be16(void *p, uint16_t v)
{
        v = __builtin_bswap16(v);
        __builtin_memcpy(p, &v, sizeof v);
}

static inline void store_be32(void *p, uint32_t v)
{
        v = __builtin_bswap32(v);
        __builtin_memcpy(p, &v, sizeof v);
}

static inline void store_be64(void *p, uint64_t v)
{
        v = __builtin_bswap64(v);
        __builtin_memcpy(p, &v, sizeof v);
}

#endif
