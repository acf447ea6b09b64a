/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/cut_input.h"

#include <string.h>

#include "fuzz/harness/input_bytes.h"
#include "guest/abi.h"
#include "journal/bytes.h"

bool cut_input_step(const uint8_t *data, size_t size, size_t index, struct cut_step *step)
{
        size_t at = CUT_INPUT_HEAD + index * CUT_INPUT_STEP;
        if (index >= CUT_INPUT_STEPS || size < at + CUT_INPUT_STEP)
                return false;
        data += at;
        step->operation = data[0] % CUT_OPERATIONS;
        step->flags = data[1];
        step->action_count = data[2] % CUT_INPUT_ACTIONS + 1;
        for (size_t i = 0; i < CUT_INPUT_ACTIONS; i++)
                step->actions[i] = data[3 + i] % ABI_ACTION_RESET + ABI_ACTION_ADD;
        step->target = data[7];
        step->granularity = data[8];
        step->source_count = data[9] % (CUT_INPUT_SOURCES + 1);
        memcpy(step->sources, data + 10, CUT_INPUT_SOURCES);
        step->cut = load_le16(data + 14);
        step->chosen = load_le64(data + 16);
        step->size = load_le16(data + 24) % CUT_INPUT_SECTORS;
        step->second_cut = data[26];
        return true;
}

void cut_input_encode(const struct cut_step *step, uint8_t *data)
{
        memset(data, 0, CUT_INPUT_STEP);
        data[0] = step->operation;
        data[1] = step->flags;
        data[2] = (uint8_t)(step->action_count - (step->action_count != 0));
        for (size_t i = 0; i < CUT_INPUT_ACTIONS; i++)
                data[3 + i] =
                    (uint8_t)(step->actions[i] ? step->actions[i] - ABI_ACTION_ADD : 0);
        data[7] = step->target;
        data[8] = step->granularity;
        data[9] = step->source_count;
        memcpy(data + 10, step->sources, CUT_INPUT_SOURCES);
        store_le16(data + 14, step->cut);
        store_le64(data + 16, step->chosen);
        store_le16(data + 24, step->size);
        data[26] = step->second_cut;
}
