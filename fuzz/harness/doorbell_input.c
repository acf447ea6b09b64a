/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/doorbell_input.h"

#include "fuzz/harness/doorbell_guest.h"
#include "fuzz/harness/input_bytes.h"
#include "guest/abi.h"

struct doorbell_head doorbell_head_decode(const uint8_t *bytes)
{
        struct doorbell_head head = {
            .size = load_le16(bytes),
            .seed = bytes[2],
            .ending = bytes[3] % DOORBELL_ENDINGS,
            .fault = bytes[4],
            .flags = bytes[5],
            .signal = bytes[6],
        };
        if (head.size > DOORBELL_IMAGE_MAX)
                head.size %= DOORBELL_IMAGE_MAX;
        return head;
}

void doorbell_head_encode(const struct doorbell_head *head, uint8_t *bytes)
{
        store_le16(bytes, head->size);
        bytes[2] = head->seed;
        bytes[3] = head->ending;
        bytes[4] = head->fault;
        bytes[5] = head->flags;
        bytes[6] = head->signal;
        bytes[7] = 0;
}

struct doorbell_piece doorbell_piece_decode(const uint8_t *bytes)
{
        return (struct doorbell_piece){
            .op = bytes[0],
            .how = bytes[1],
            .step = bytes[2],
            .flags = bytes[3],
            .offset = load_le16(bytes + 4),
            .length = load_le16(bytes + 6),
            .addr = load_le16(bytes + 8),
            .value = load_le16(bytes + 10),
        };
}

void doorbell_piece_encode(const struct doorbell_piece *piece, uint8_t *bytes)
{
        bytes[0] = piece->op;
        bytes[1] = piece->how;
        bytes[2] = piece->step;
        bytes[3] = piece->flags;
        store_le16(bytes + 4, piece->offset);
        store_le16(bytes + 6, piece->length);
        store_le16(bytes + 8, piece->addr);
        store_le16(bytes + 10, piece->value);
}

/* Numbers at which something begins to be wrong; the code's upper byte is added, as a
 * signed one. */
static uint64_t edge(uint16_t code, uint64_t size)
{
        const uint64_t edges[] = {
            0,
            ABI_SECTOR,
            size,
            INT64_MAX,
            UINT64_MAX,
            UINT64_C(1) << 32,
            UINT64_C(1) << 63,
            ABI_MAX_GROWTH,
            size + ABI_MAX_GROWTH,
            ABI_MAX_TRANSFER,
            ABI_MAX_OVERWRITE,
            ABI_MAX_OVERWRITE - 2 * ABI_SECTOR,
            ABI_MAX_REQUESTS,
            ABI_MAX_REPORT,
            ABI_PROGRAM_BASE,
            DOORBELL_DATA_BASE,
            DOORBELL_DATA_LIMIT,
            ABI_STACK_BASE,
            ABI_STACK_TOP,
            ABI_CALL_BASE,
            ABI_DOORBELL_BASE,
            ABI_ARENA_BASE,
            DOORBELL_MEMORY,
            DOORBELL_MEMORY - ABI_ARENA_BASE,
        };
        uint64_t more = (uint64_t)(int64_t)(int8_t)(code >> 8);
        return edges[(code & 0xff) % (sizeof edges / sizeof edges[0])] + more;
}

bool doorbell_piece_is(const struct doorbell_piece *piece, uint8_t how)
{
        uint8_t all = DOORBELL_RAW | how;

        return (piece->how & all) == all;
}

uint32_t doorbell_piece_operation(const struct doorbell_piece *piece)
{
        static const uint8_t more[] = {ABI_JOURNAL, ABI_APPLY, ABI_JOURNAL};
        uint32_t low = piece->op % 16;

        if (piece->op >= DOORBELL_RAW_BYTE)
                return DOORBELL_UNKNOWN + low;
        if (low > DOORBELL_COUNT)
                return more[low - DOORBELL_COUNT - 1];
        return low ? low : ABI_APPLY;
}

uint32_t doorbell_piece_step(const struct doorbell_piece *piece)
{
        return piece->step >= DOORBELL_RAW_BYTE ? piece->step : piece->step % 8;
}

uint32_t doorbell_piece_flags(const struct doorbell_piece *piece)
{
        uint32_t low = piece->flags % 16;

        if (piece->flags >= DOORBELL_RAW_BYTE)
                return piece->flags;
        /* Of JOURNAL one of them at most may be set, of others the first. */
        return doorbell_piece_operation(piece) == ABI_JOURNAL ? low & -low : low & 1;
}

uint64_t doorbell_piece_offset(const struct doorbell_piece *piece, uint64_t size)
{
        bool raw = piece->how & DOORBELL_RAW;

        if (doorbell_piece_is(piece, DOORBELL_EDGE_OFFSET))
                return edge(piece->offset, size);
        if (piece->how & DOORBELL_OFFSET_BYTES)
                return piece->offset % (raw ? 65536u : 16384u);
        return (uint64_t)(piece->offset % (raw ? 1024u : 64u)) * ABI_SECTOR;
}

uint64_t doorbell_piece_length(const struct doorbell_piece *piece, uint64_t size)
{
        bool raw = piece->how & DOORBELL_RAW;

        if (doorbell_piece_is(piece, DOORBELL_EDGE_LENGTH))
                return edge(piece->length, size);
        if (piece->how & DOORBELL_LENGTH_BYTES)
                return piece->length % (raw ? 65536u : 256u);
        return (uint64_t)(piece->length % (raw ? 1024u : 32u)) * ABI_SECTOR;
}

uint64_t doorbell_piece_address(const struct doorbell_piece *piece)
{
        bool raw = piece->how & DOORBELL_RAW; /* the last ones lie behind the arena */

        if (doorbell_piece_is(piece, DOORBELL_EDGE_ADDR))
                return edge(piece->addr, 0);
        return ABI_ARENA_BASE + piece->addr % (raw ? 65536u : 16384u) * UINT64_C(64);
}
