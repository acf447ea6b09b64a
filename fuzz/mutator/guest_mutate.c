/* SPDX-License-Identifier: MIT */
#include "fuzz/mutator/guest_mutate.h"

#include <string.h>

#include "fuzz/harness/guest_input.h"
#include "fuzz/mutator/guest_fields.h"

#define IMAGE_SIZE_AT 36u
#define OFFSETS       0x00fffffffffffe00ull

/* ---- the call --------------------------------------------------------------------- */

static void set_image_size(struct guest_pieces *p, uint64_t size)
{
        for (uint32_t i = 0; i < 4; i++)
                p->data[IMAGE_SIZE_AT + i] = (uint8_t)(size >> 8 * i);
}

static void mutate_size(struct guest_pieces *p, struct guest_input *input)
{
        uint64_t cluster = 1ull << guest_cluster_bits(p);
        uint64_t old = input->image_size;
        switch (mutate_random(p, 4)) {
        case 0:
                set_image_size(p, old + cluster * mutate_random(p, 40));
                break;
        case 1:
                set_image_size(p, old - mutate_random(p, old + 1));
                break;
        case 2:
                set_image_size(p, old + mutate_random(p, 2 * cluster) - cluster);
                break;
        default:
                set_image_size(p, guest_some_cluster(p) + cluster);
        }
}

static void mutate_actions(struct guest_pieces *p, struct guest_input *input)
{
        uint32_t count = (uint32_t)(1 + mutate_random(p, mutate_random(p, 3) ? 2 : 8));
        input->operation = GUEST_BITMAP;
        input->action_count = (uint8_t)count;
        for (uint32_t i = 0; i < count; i++)
                input->actions[i] = (uint8_t)(1 + mutate_random(p, 8));
        input->source_count = (uint8_t)mutate_random(p, 4);
        for (uint32_t i = 0; i < 3; i++)
                input->sources[i] = (uint8_t)mutate_random(p, 3);
        input->target =
            (uint8_t)(mutate_random(p, 3) ? mutate_random(p, 3) : mutate_random(p, 256));
}

static void mutate_ranges(struct guest_pieces *p, struct guest_input *input)
{
        input->operation = GUEST_UNREFERENCED;
        input->range_count = (uint8_t)(1 + mutate_random(p, 2));
        for (uint32_t i = 0; i < input->range_count; i++) {
                input->ranges[i].sector = (uint32_t)(guest_some_cluster(p) / ABI_SECTOR);
                input->ranges[i].sectors = (uint16_t)mutate_random(p, 4);
        }
}

static void mutate_call(struct guest_pieces *p)
{
        struct guest_input input;
        guest_input_decode(p->data, p->size, &input);
        switch (mutate_random(p, 8)) {
        case 0:
                mutate_size(p, &input);
                return;
        case 1:
        case 2:
                mutate_actions(p, &input);
                break;
        case 3:
                input.operation = GUEST_REPAIR;
                input.flags = (uint16_t)(mutate_random(p, 8) << 4);
                break;
        case 4:
                input.operation = GUEST_RESIZE;
                input.flags = ABI_CALL_SHRINK;
                input.size = mutate_random(p, 1 + (1ull << mutate_random(p, 40))) * 512;
                input.size_mode =
                    (uint8_t)(mutate_random(p, 4) ? 0 : mutate_random(p, 4));
                break;
        case 5:
                mutate_ranges(p, &input);
                break;
        case 6:
                input.fail_write = (uint8_t)mutate_random(p, 8);
                input.host ^= (uint8_t)mutate_random(p, 2);
                break;
        default:
                input.operation = (uint8_t)mutate_random(p, GUEST_OPERATIONS);
                input.flags ^= (uint16_t)(1u << mutate_random(p, 8));
        }
        guest_input_encode(&input, p->data);
}

/* ---- the image -------------------------------------------------------------------- */

static void mutate_field(struct guest_pieces *p)
{
        struct guest_field field = guest_field_choose(p);
        uint64_t old = pieces_load(p, field.offset, field.bytes);
        uint64_t value = guest_field_value(p);
        switch (mutate_random(p, 4)) {
        case 0:
                value = old ^ 1ull << mutate_random(p, 8ull * field.bytes);
                break;
        case 1:
                value = old + mutate_random(p, 5) - 2;
                break;
        default:
                break;
        }
        pieces_store(p, field.offset, value, field.bytes);
}

/* A reference more, with its refcount: what a sound image might have. */
static void mutate_reference(struct guest_pieces *p)
{
        struct guest_field field = guest_field_choose(p);
        uint64_t cluster = guest_some_cluster(p);
        uint64_t old = pieces_load(p, field.offset, 8) & OFFSETS;
        if (field.bytes != 8)
                return;
        if (old && mutate_random(p, 2))
                guest_refer(p, old, UINT32_MAX);
        pieces_store(p, field.offset,
                     mutate_random(p, 3) ? cluster : cluster | 1ull << 63, 8);
        guest_refer(p, cluster, 1);
}

static void mutate_pieces(struct guest_pieces *p)
{
        uint32_t count = pieces_count(p);
        if (!count)
                return;
        uint32_t index = (uint32_t)mutate_random(p, count);
        uint64_t offset = guest_some_cluster(p);
        switch (mutate_random(p, 4)) {
        case 0:
                pieces_move(p, index, offset);
                break;
        case 1:
                pieces_drop(p, index);
                break;
        default:
                pieces_copy(p, index, offset + mutate_random(p, 4) * GUEST_INPUT_PIECE);
        }
}

/* The call of one, the image of the other. */
static void mutate_splice(struct guest_pieces *p, const uint8_t *other, size_t size)
{
        uint8_t image_size[4];
        if (size < GUEST_INPUT_CALL)
                return;
        memcpy(image_size, p->data + IMAGE_SIZE_AT, sizeof image_size);
        memcpy(p->data, other, GUEST_INPUT_CALL);
        memcpy(p->data + IMAGE_SIZE_AT, image_size, sizeof image_size);
}

static void mutate_once(struct guest_pieces *p, const uint8_t *other, size_t other_size)
{
        switch (mutate_random(p, 16)) {
        case 0:
        case 1:
        case 2:
                mutate_call(p);
                break;
        case 3:
                mutate_splice(p, other, other_size);
                break;
        case 4:
                mutate_pieces(p);
                break;
        case 5:
        case 6:
        case 7:
                mutate_reference(p);
                break;
        case 8:
                guest_refer(p, guest_some_cluster(p),
                            mutate_random(p, 2) ? 1 : UINT32_MAX);
                break;
        default:
                mutate_field(p);
        }
}

void guest_mutate(struct guest_pieces *p, const uint8_t *other, size_t other_size)
{
        uint64_t count = 1 + mutate_random(p, mutate_random(p, 2) ? 2 : 6);
        while (count--)
                mutate_once(p, other, other_size);
        if (mutate_random(p, 8))
                guest_fix_header(p);
}
