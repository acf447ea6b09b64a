/* SPDX-License-Identifier: MIT */
/* Little-endian loads and stores: the numbers of a journal exist only behind these. */
#ifndef INSTAR_JOURNAL_BYTES_H
#define INSTAR_JOURNAL_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t load_le32(const uint8_t *p)
{
        uint32_t value;
        memcpy(&value, p, sizeof value);
        return le32toh(value);
}

static inline uint64_t load_le64(const uint8_t *p)
{
        uint64_t value;
        memcpy(&value, p, sizeof value);
        return le64toh(value);
}

static inline void store_le32(uint8_t *p, uint32_t value)
{
        value = htole32(value);
        memcpy(p, &value, sizeof value);
}

static inline void store_le64(uint8_t *p, uint64_t value)
{
        value = htole64(value);
        memcpy(p, &value, sizeof value);
}

static inline bool all_zero(const uint8_t *bytes, size_t length)
{
        return length == 0 ||
               (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* ceil(value / 8) * 8, for lengths that are known to be small. */
static inline size_t padded_to_8(size_t length)
{
        return (length + 7u) & ~(size_t)7u;
}

#endif
