/* SPDX-License-Identifier: MIT */
/* Little-endian numbers of 16 bits: inputs have them; journals do not. */
#ifndef INSTAR_FUZZ_HARNESS_INPUT_BYTES_H
#define INSTAR_FUZZ_HARNESS_INPUT_BYTES_H

#include <stdint.h>

static inline uint16_t load_le16(const uint8_t *p)
{
        return (uint16_t)(p[0] | p[1] << 8);
}

static inline void store_le16(uint8_t *p, uint32_t value)
{
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
}

#endif
