/* SPDX-License-Identifier: MIT */
#include "fuzz/mutator/guest_pieces.h"

#include <string.h>

#include "fuzz/harness/guest_input.h"

uint64_t mutate_random(struct guest_pieces *p, uint64_t limit)
{
        p->random ^= p->random << 13;
        p->random ^= p->random >> 7;
        p->random ^= p->random << 17;
        return (p->random >> 11) % limit;
}

uint32_t pieces_count(const struct guest_pieces *p)
{
        return (uint32_t)((p->size - GUEST_INPUT_CALL) / GUEST_INPUT_STRIDE);
}

static uint8_t *piece(const struct guest_pieces *p, uint32_t index)
{
        return p->data + GUEST_INPUT_CALL + (size_t)index * GUEST_INPUT_STRIDE;
}

uint64_t pieces_offset(const struct guest_pieces *p, uint32_t index)
{
        const uint8_t *at = piece(p, index);
        return (uint64_t)(at[0] | at[1] << 8) * GUEST_INPUT_PIECE;
}

void pieces_move(struct guest_pieces *p, uint32_t index, uint64_t offset)
{
        uint8_t *at = piece(p, index);
        at[0] = (uint8_t)(offset / GUEST_INPUT_PIECE);
        at[1] = (uint8_t)(offset / GUEST_INPUT_PIECE >> 8);
}

/* The last one that covers this offset, as it is the one that counts; NULL in a hole. */
static uint8_t *find(const struct guest_pieces *p, uint64_t offset)
{
        for (uint32_t i = pieces_count(p); i--;)
                if (pieces_offset(p, i) == offset - offset % GUEST_INPUT_PIECE)
                        return piece(p, i) + 2 + offset % GUEST_INPUT_PIECE;
        return NULL;
}

static uint8_t *add(struct guest_pieces *p, uint64_t offset)
{
        uint32_t index = pieces_count(p);
        if (p->size + GUEST_INPUT_STRIDE > p->room ||
            offset / GUEST_INPUT_PIECE > UINT16_MAX)
                return NULL;
        memset(piece(p, index), 0, GUEST_INPUT_STRIDE);
        pieces_move(p, index, offset);
        p->size += GUEST_INPUT_STRIDE;
        return piece(p, index) + 2 + offset % GUEST_INPUT_PIECE;
}

void pieces_drop(struct guest_pieces *p, uint32_t index)
{
        uint8_t *at = piece(p, index);
        p->size -= GUEST_INPUT_STRIDE;
        memmove(at, at + GUEST_INPUT_STRIDE, (size_t)(p->data + p->size - at));
}

bool pieces_copy(struct guest_pieces *p, uint32_t index, uint64_t offset)
{
        if (!add(p, offset))
                return false;
        memcpy(piece(p, pieces_count(p) - 1) + 2, piece(p, index) + 2, GUEST_INPUT_PIECE);
        return true;
}

uint64_t pieces_load(const struct guest_pieces *p, uint64_t offset, uint32_t bytes)
{
        const uint8_t *at = NULL;
        uint64_t value = 0;
        for (uint32_t i = 0; i < bytes; i++) {
                if (i == 0 || (offset + i) % GUEST_INPUT_PIECE == 0)
                        at = find(p, offset + i);
                else if (at)
                        at++;
                value = value << 8 | (at ? *at : 0);
        }
        return value;
}

bool pieces_store(struct guest_pieces *p, uint64_t offset, uint64_t value, uint32_t bytes)
{
        uint8_t *at = NULL;
        for (uint32_t i = 0; i < bytes; i++) {
                uint8_t byte = (uint8_t)(value >> 8 * (bytes - 1 - i));
                if (i == 0 || (offset + i) % GUEST_INPUT_PIECE == 0)
                        at = find(p, offset + i);
                else if (at)
                        at++;
                if (!at && byte && !(at = add(p, offset + i)))
                        return false;
                if (at)
                        *at = byte;
        }
        return true;
}
