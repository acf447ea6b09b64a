/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/model.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define IN_USE           1u
#define AUTO             2u
#define EXTRA_COMPATIBLE 4u

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
        return a / b + (a % b != 0);
}

static uint8_t *copy_bytes(const uint8_t *bytes, uint64_t length)
{
        uint8_t *copy = calloc(length + 1, 1);
        if (!copy)
                abort();
        if (bytes)
                memcpy(copy, bytes, length);
        return copy;
}

/* Not the whole struct: most of it is room that is not used. */
void model_take(struct model *model, const struct read_image *read)
{
        model->count = 0;
        model->virtual_size = read->virtual_size;
        model->cluster_size = read->cluster_size;
        model->stale = read->stale;
        for (uint32_t i = 0; i < read->bitmap_count; i++) {
                const struct read_bitmap *from = &read->bitmaps[i];
                struct model_bitmap *to = &model->bitmaps[model->count++];
                memcpy(to->name, from->name, from->name_length);
                to->name_length = from->name_length;
                to->flags = from->flags;
                to->granularity_bits = from->granularity_bits;
                to->extra_length = from->extra_length;
                to->bits_length = from->bits_length;
                to->bits = copy_bytes(from->bits, from->bits_length);
        }
}

void model_free(struct model *model)
{
        for (uint32_t i = 0; i < model->count; i++)
                free(model->bitmaps[i].bits);
        model->count = 0;
}

static void copy_model(struct model *to, const struct model *from)
{
        memcpy(to, from, offsetof(struct model, bitmaps[from->count]));
        for (uint32_t i = 0; i < to->count; i++)
                to->bitmaps[i].bits =
                    copy_bytes(from->bitmaps[i].bits, from->bitmaps[i].bits_length);
}

static struct model_bitmap *find(struct model *model, const uint8_t *name,
                                 uint32_t length)
{
        for (uint32_t i = 0; i < model->count; i++)
                if (model->bitmaps[i].name_length == length &&
                    !memcmp(model->bitmaps[i].name, name, length))
                        return &model->bitmaps[i];
        return NULL;
}

static bool unusable(const struct model *model, const struct model_bitmap *bitmap)
{
        return model->stale || bitmap->flags & IN_USE ||
               (bitmap->extra_length && !(bitmap->flags & EXTRA_COMPATIBLE));
}

static uint32_t default_granularity_bits(const struct model *model)
{
        uint64_t size = model->cluster_size;
        size = size < 4096 ? 4096 : size;
        size = size > 65536 ? 65536 : size;
        return (uint32_t)__builtin_ctzll(size);
}

static enum abi_code add(struct model *model, const struct abi_call *call)
{
        uint32_t bits = default_granularity_bits(model);
        if (find(model, call->target, call->target_length))
                return ABI_EXISTS;
        if (model->stale && model->count)
                return ABI_IN_USE;
        if (call->granularity) {
                if (__builtin_popcountll(call->granularity) != 1 ||
                    call->granularity < 512 || call->granularity > 1ull << 31)
                        return ABI_BAD_GRANULARITY;
                bits = (uint32_t)__builtin_ctzll(call->granularity);
        }
        uint64_t length = ceil_div(ceil_div(model->virtual_size, 1ull << bits), 8);
        if (length > 512ull << 20)
                return ABI_TOO_LARGE;
        struct model_bitmap *new = &model->bitmaps[model->count++];
        memset(new, 0, sizeof *new);
        memcpy(new->name, call->target, call->target_length);
        new->name_length = call->target_length;
        new->flags = AUTO;
        new->granularity_bits = bits;
        new->bits_length = length;
        new->bits = copy_bytes(NULL, length);
        model->stale = false;
        return ABI_OK;
}

static void remove_bitmap(struct model *model, struct model_bitmap *bitmap)
{
        uint64_t index = (uint64_t)(bitmap - model->bitmaps);
        free(bitmap->bits);
        model->count--;
        memmove(bitmap, bitmap + 1, (model->count - index) * sizeof *bitmap);
        /* The last one takes the extension along, and with it that it is stale. */
        model->stale = model->stale && model->count;
}

static enum abi_code merge(struct model *model, struct model_bitmap *target,
                           const struct abi_call *call)
{
        for (uint32_t i = 0; i < call->source_count; i++) {
                struct model_bitmap *source = find(
                    model, call->names + call->source_offset[i], call->source_length[i]);
                if (!source)
                        return ABI_SOURCE_NOT_FOUND;
                if (unusable(model, source))
                        return ABI_IN_USE;
                if (source->granularity_bits != target->granularity_bits)
                        return ABI_GRANULARITY_MISMATCH;
                for (uint64_t b = 0; b < target->bits_length; b++)
                        target->bits[b] |= source->bits[b];
        }
        return ABI_OK;
}

/* Not in use: nothing happens.  The bits of the others are not known to the model. */
static enum abi_code reset(struct model *model, struct model_bitmap *bitmap)
{
        struct model_bitmap idle = *bitmap;
        idle.flags &= ~IN_USE;
        if (unusable(model, &idle))
                return ABI_IN_USE;
        if (!(bitmap->flags & IN_USE))
                return ABI_OK;
        uint64_t bits = ceil_div(model->virtual_size, 1ull << bitmap->granularity_bits);
        memset(bitmap->bits, 0xff, bitmap->bits_length);
        if (bits % 8)
                bitmap->bits[bits / 8] = (uint8_t)((1u << bits % 8) - 1);
        bitmap->flags = idle.flags;
        return ABI_OK;
}

static enum abi_code act(struct model *model, const struct abi_call *call,
                         uint32_t action)
{
        struct model_bitmap *bitmap = find(model, call->target, call->target_length);
        if (action == ABI_ACTION_ADD)
                return add(model, call);
        if (action < ABI_ACTION_ADD || action > ABI_ACTION_RESET)
                return ABI_BAD_ACTION;
        if (action == ABI_ACTION_REMOVE_ALL) {
                while (model->count)
                        remove_bitmap(model, &model->bitmaps[0]);
                return ABI_OK;
        }
        if (!bitmap)
                return ABI_NOT_FOUND;
        if (action == ABI_ACTION_REMOVE) {
                remove_bitmap(model, bitmap);
                return ABI_OK;
        }
        if (action == ABI_ACTION_RESET)
                return reset(model, bitmap);
        if (unusable(model, bitmap))
                return ABI_IN_USE;
        if (action == ABI_ACTION_ENABLE)
                bitmap->flags |= AUTO;
        if (action == ABI_ACTION_DISABLE)
                bitmap->flags &= ~AUTO;
        if (action == ABI_ACTION_CLEAR)
                memset(bitmap->bits, 0, bitmap->bits_length);
        return action == ABI_ACTION_MERGE ? merge(model, bitmap, call) : ABI_OK;
}

enum abi_code model_apply(struct model *model, const struct abi_call *call)
{
        struct model *trial = malloc(sizeof *trial);
        enum abi_code code = ABI_OK;
        if (!trial)
                abort();
        copy_model(trial, model);
        for (uint32_t i = 0; i < call->action_count && !code; i++)
                code = act(trial, call, call->actions[i]);
        if (code) {
                model_free(trial);
        } else {
                model_free(model);
                memcpy(model, trial, offsetof(struct model, bitmaps[trial->count]));
        }
        free(trial);
        return code;
}

const char *model_difference(const struct model *model, const struct read_image *read)
{
        if (model->count != read->bitmap_count)
                return "number of bitmaps";
        if (model->count && model->stale != read->stale)
                return "staleness";
        for (uint32_t i = 0; i < model->count; i++) {
                const struct model_bitmap *a = &model->bitmaps[i];
                const struct read_bitmap *b = &read->bitmaps[i];
                if (a->name_length != b->name_length ||
                    memcmp(a->name, b->name, a->name_length) != 0)
                        return "a name, or the order";
                if (a->flags != b->flags)
                        return "flags";
                if (a->granularity_bits != b->granularity_bits)
                        return "granularity";
                if (a->extra_length != b->extra_length)
                        return "extra data";
                if (b->has_bits && (a->bits_length != b->bits_length ||
                                    memcmp(a->bits, b->bits, a->bits_length) != 0))
                        return "bits";
        }
        return NULL;
}
