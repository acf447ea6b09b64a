/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/refcount_bits.h"

#include "guest/rt/bytes.h"

uint64_t refcount_load(uint32_t order, const uint8_t *bytes, uint64_t index)
{
        uint32_t width = 1u << order;
        switch (order) {
        case 0:
        case 1:
        case 2:
                return (uint64_t)bytes[index * width / 8] >> index * width % 8 &
                       ((1u << width) - 1);
        case 3:
                return bytes[index];
        case 4:
                return load_be16(bytes + index * 2);
        case 5:
                return load_be32(bytes + index * 4);
        default:
                return load_be64(bytes + index * 8);
        }
}

void refcount_store(uint32_t order, uint8_t *bytes, uint64_t index, uint64_t value)
{
        uint32_t width = 1u << order;
        uint8_t *byte = bytes + index * width / 8;
        uint32_t shift = index * width % 8 & 7;
        uint32_t mask = ((1u << width % 32) - 1) << shift;
        switch (order) {
        case 0:
        case 1:
        case 2:
                *byte = (uint8_t)((*byte & ~mask) | ((uint32_t)value << shift & mask));
                break;
        case 3:
                *byte = (uint8_t)value;
                break;
        case 4:
                store_be16(bytes + index * 2, (uint16_t)value);
                break;
        case 5:
                store_be32(bytes + index * 4, (uint32_t)value);
                break;
        default:
                store_be64(bytes + index * 8, value);
        }
}
