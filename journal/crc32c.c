/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C with the instruction of SSE 4.2, eight bytes a step; where the CPU has
 * none, four bits a step, which is slow but small and right.
 */
#include "journal/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

/* Remainders of the sixteen 4-bit values; polynomial 0x82f63b78, reflected. */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
    0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
    0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length)
{
        const uint8_t *bytes = data;

        crc = ~crc;
        for (size_t i = 0; i < length; i++) {
                crc ^= bytes[i];
                crc = (crc >> 4) ^ nibble_table[crc & 15u];
                crc = (crc >> 4) ^ nibble_table[crc & 15u];
        }
        return ~crc;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *data, size_t length)
{
        const uint8_t *bytes = data;
        uint64_t state = ~crc;
        uint32_t tail;

        for (; length >= 8; bytes += 8, length -= 8) {
                uint64_t word;
                memcpy(&word, bytes, sizeof word);
                state = _mm_crc32_u64(state, word);
        }
        tail = (uint32_t)state;
        for (; length; bytes++, length--)
                tail = _mm_crc32_u8(tail, *bytes);
        return ~tail;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
        if (__builtin_cpu_supports("sse4.2"))
                return crc32c_sse42(crc, data, length);
        return crc32c_portable(crc, data, length);
}
