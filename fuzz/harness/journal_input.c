/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_input.h"

#include <string.h>

#include "fuzz/harness/input_bytes.h"
#include "journal/bytes.h"

bool journal_input_decode(const uint8_t *data, size_t size, struct journal_input *input)
{
        if (size < JOURNAL_INPUT_HEAD)
                return false;
        input->mode = data[0] % 4;
        input->file = data[1];
        input->examiner = data[2];
        input->ending = data[3] % 5;
        input->old_size = load_le16(data + 4) % (JOURNAL_INPUT_MAX_IMAGE + 1);
        input->final_size = input->old_size + load_le16(data + 6);
        if (input->final_size > JOURNAL_INPUT_MAX_IMAGE)
                input->final_size = JOURNAL_INPUT_MAX_IMAGE;
        input->applied = data[8];
        input->state = data[9];
        input->cut = data[10];
        input->fault = data[11];
        input->holes = data[12];
        input->second_cut = data[13];
        input->size = load_le16(data + 14);
        input->sectors = load_le32(data + 16);
        input->chosen = load_le64(data + 24);
        input->rest = data + JOURNAL_INPUT_HEAD;
        input->rest_length = size - JOURNAL_INPUT_HEAD;
        return true;
}

bool journal_input_piece(const struct journal_input *input, size_t index,
                         struct journal_piece *piece)
{
        const uint8_t *data = input->rest + index * JOURNAL_INPUT_PIECE;
        if (index >= JOURNAL_INPUT_PIECES ||
            input->rest_length < (index + 1) * JOURNAL_INPUT_PIECE)
                return false;
        piece->kind = data[0] % JOURNAL_PIECE_KINDS;
        piece->flags = data[1];
        piece->steps = data[2];
        piece->sectors = data[3];
        piece->where = load_le16(data + 4);
        piece->content = load_le16(data + 6);
        piece->value = load_le64(data + 8);
        return true;
}

void journal_input_encode(const struct journal_input *input, uint8_t *data)
{
        memset(data, 0, JOURNAL_INPUT_HEAD);
        data[0] = input->mode;
        data[1] = input->file;
        data[2] = input->examiner;
        data[3] = input->ending;
        store_le16(data + 4, input->old_size);
        store_le16(data + 6, input->final_size - input->old_size);
        data[8] = input->applied;
        data[9] = input->state;
        data[10] = input->cut;
        data[11] = input->fault;
        data[12] = input->holes;
        data[13] = input->second_cut;
        store_le16(data + 14, input->size);
        store_le32(data + 16, input->sectors);
        store_le64(data + 24, input->chosen);
}

void journal_input_encode_piece(const struct journal_piece *piece, uint8_t *data)
{
        data[0] = piece->kind;
        data[1] = piece->flags;
        data[2] = piece->steps;
        data[3] = piece->sectors;
        store_le16(data + 4, piece->where);
        store_le16(data + 6, piece->content);
        store_le64(data + 8, piece->value);
}
