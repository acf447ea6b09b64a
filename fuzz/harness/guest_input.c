/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/guest_input.h"

#include <string.h>

static uint64_t load(const uint8_t *data, unsigned int bytes)
{
        uint64_t value = 0;
        for (unsigned int i = bytes; i--;)
                value = value << 8 | data[i];
        return value;
}

static void store(uint8_t *data, uint64_t value, unsigned int bytes)
{
        for (unsigned int i = 0; i < bytes; i++)
                data[i] = (uint8_t)(value >> 8 * i);
}

bool guest_input_decode(const uint8_t *data, size_t size, struct guest_input *input)
{
        if (size < GUEST_INPUT_CALL)
                return false;
        input->operation = data[0] % GUEST_OPERATIONS;
        input->host = data[1];
        input->flags = (uint16_t)load(data + 2, 2) & (uint16_t)~ABI_CALL_BLOCK_DEVICE;
        input->fail_write = data[4];
        input->action_count = data[5] % (ABI_MAX_ACTIONS + 1);
        memcpy(input->actions, data + 6, sizeof input->actions);
        input->granularity = data[14];
        input->target = data[15];
        input->source_count = data[16] % (ABI_MAX_MERGE_SOURCES + 1);
        memcpy(input->sources, data + 17, sizeof input->sources);
        input->columns = data[25];
        input->size_mode = data[26];
        input->range_count = data[27] % (GUEST_INPUT_RANGES + 1);
        input->size = load(data + 28, 8);
        input->image_size = (uint32_t)load(data + 36, 4) % (GUEST_INPUT_MAX_IMAGE + 1);
        for (uint32_t i = 0; i < GUEST_INPUT_RANGES; i++) {
                input->ranges[i].sector =
                    (uint32_t)load(data + 40 + i * 6, 4) % GUEST_INPUT_SECTORS;
                input->ranges[i].sectors = (uint16_t)load(data + 44 + i * 6, 2);
        }
        return true;
}

void guest_input_encode(const struct guest_input *input, uint8_t *data)
{
        data[0] = input->operation;
        data[1] = input->host;
        store(data + 2, input->flags, 2);
        data[4] = input->fail_write;
        data[5] = input->action_count;
        memcpy(data + 6, input->actions, sizeof input->actions);
        data[14] = input->granularity;
        data[15] = input->target;
        data[16] = input->source_count;
        memcpy(data + 17, input->sources, sizeof input->sources);
        data[25] = input->columns;
        data[26] = input->size_mode;
        data[27] = input->range_count;
        store(data + 28, input->size, 8);
        store(data + 36, input->image_size, 4);
        for (uint32_t i = 0; i < GUEST_INPUT_RANGES; i++) {
                store(data + 40 + i * 6, input->ranges[i].sector, 4);
                store(data + 44 + i * 6, input->ranges[i].sectors, 2);
        }
}

uint32_t guest_input_piece(const uint8_t *data, size_t size, size_t index,
                           uint64_t *offset, const uint8_t **bytes)
{
        size_t at = GUEST_INPUT_CALL + index * GUEST_INPUT_STRIDE;
        if (size < at + 3)
                return 0;
        *offset = load(data + at, 2) * GUEST_INPUT_PIECE;
        *bytes = data + at + 2;
        size_t left = size - at - 2;
        return left < GUEST_INPUT_PIECE ? (uint32_t)left : GUEST_INPUT_PIECE;
}
