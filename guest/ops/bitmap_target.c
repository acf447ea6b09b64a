/* SPDX-License-Identifier: MIT */
#include "guest/ops/bitmap_target.h"

#include <string.h>

#include "guest/qcow2/table.h"
#include "guest/rt/failure.h"

#define DEFAULT_GRANULARITY_MIN_BITS 12u
#define DEFAULT_GRANULARITY_MAX_BITS 16u

/* log2 of the granularity asked for, or the default: the cluster size clamped to
 * 4 KiB ... 64 KiB.  0 if it is none that the format allows. */
static uint8_t granularity_bits(const struct header *header, uint64_t asked)
{
        if (!asked) {
                uint32_t bits = header->cluster_bits;
                if (bits < DEFAULT_GRANULARITY_MIN_BITS)
                        bits = DEFAULT_GRANULARITY_MIN_BITS;
                if (bits > DEFAULT_GRANULARITY_MAX_BITS)
                        bits = DEFAULT_GRANULARITY_MAX_BITS;
                return (uint8_t)bits;
        }
        if (asked & (asked - 1) || asked < 1ull << QCOW2_MIN_GRANULARITY_BITS ||
            asked > 1ull << QCOW2_MAX_GRANULARITY_BITS)
                return 0;
        return (uint8_t)__builtin_ctzll(asked);
}

/* Bytes of the directory without the target's old entry. */
static uint64_t other_entries_size(const struct image *image, const struct target *t)
{
        return image->directory.size - (t->existed ? t->old.length : 0);
}

static enum abi_code add(const struct image *image, const struct abi_call *call,
                         struct target *t)
{
        if (t->exists)
                return ABI_EXISTS;
        /* A stale list must not be published as valid by adding to it. */
        if (header_is_stale(&image->header) && t->bitmaps)
                return ABI_IN_USE;
        uint8_t bits = granularity_bits(&image->header, call->granularity);
        if (!bits)
                return ABI_BAD_GRANULARITY;
        if (t->bitmaps == QCOW2_MAX_BITMAPS ||
            other_entries_size(image, t) + directory_entry_length(t->name.length) >
                QCOW2_MAX_DIRECTORY_SIZE)
                return ABI_TOO_MANY_BITMAPS;
        if (!header_disk_size(&image->header)) /* a table has one entry at least */
                return fail(ABI_BAD_HEADER, ABI_HEADER_SIZE, 0, 0, 0);
        if (!bitmap_size_allowed(&image->header, bits))
                return ABI_TOO_LARGE;
        t->exists = true;
        t->recreated = true;
        t->cleared = false;
        t->flags = QCOW2_BITMAP_AUTO;
        t->granularity_bits = bits;
        t->bitmaps++;
        return ABI_OK;
}

static enum abi_code remove_bitmap(struct target *t)
{
        if (!t->exists)
                return ABI_NOT_FOUND;
        t->exists = false;
        t->bitmaps--;
        return ABI_OK;
}

static enum abi_code check_usable(const struct image *image, const struct target *t)
{
        if (!t->exists)
                return ABI_NOT_FOUND;
        if (!t->recreated && bitmap_is_unusable(image, &t->old))
                return ABI_IN_USE;
        return ABI_OK;
}

static enum abi_code change(const struct image *image, uint32_t action, struct target *t)
{
        enum abi_code code = check_usable(image, t);
        if (code)
                return code;
        switch (action) {
        case ABI_ACTION_CLEAR:
                t->cleared = true;
                break;
        case ABI_ACTION_ENABLE:
                t->flags |= QCOW2_BITMAP_AUTO;
                break;
        case ABI_ACTION_DISABLE:
                t->flags &= ~(uint32_t)QCOW2_BITMAP_AUTO;
                break;
        default:
                t->merged = true;
        }
        return ABI_OK;
}

/* In use, and nothing else that forbids to use it: then only the bits are unknown. */
static enum abi_code reset(const struct image *image, struct target *t)
{
        struct directory_entry idle = t->old;
        if (!t->exists)
                return ABI_NOT_FOUND;
        idle.flags &= ~(uint32_t)QCOW2_BITMAP_IN_USE;
        if (bitmap_is_unusable(image, &idle))
                return ABI_IN_USE;
        if (idle.flags == t->old.flags)
                return ABI_OK;
        /* The disk may have another size now than when the table was made. */
        if (!header_disk_size(&image->header))
                return fail(ABI_BAD_HEADER, ABI_HEADER_SIZE, 0, 0, 0);
        if (!bitmap_size_allowed(&image->header, t->granularity_bits))
                return ABI_TOO_LARGE;
        t->reset = true;
        t->flags = idle.flags;
        t->affected = 1;
        return ABI_OK;
}

static enum abi_code apply(const struct image *image, const struct abi_call *call,
                           uint32_t action, struct target *t)
{
        switch (action) {
        case ABI_ACTION_ADD:
                return add(image, call, t);
        case ABI_ACTION_REMOVE:
                return remove_bitmap(t);
        case ABI_ACTION_CLEAR:
        case ABI_ACTION_ENABLE:
        case ABI_ACTION_DISABLE:
        case ABI_ACTION_MERGE:
                return change(image, action, t);
        case ABI_ACTION_RESET:
                return reset(image, t);
        default:
                return ABI_BAD_ACTION;
        }
}

/* Invocations of their own (the command line sees to it). */
static bool stands_alone(uint32_t action)
{
        return action == ABI_ACTION_MERGE || action == ABI_ACTION_RESET;
}

static enum abi_code remove_all(const struct image *image, const struct abi_call *call,
                                struct target *t)
{
        if (call->action_count != 1 || call->target_length)
                return ABI_BAD_ACTION;
        t->all_go = true;
        t->affected = image->directory.count;
        t->actions_applied = 1;
        return ABI_OK;
}

enum abi_code target_apply_actions(const struct image *image, const struct abi_call *call,
                                   struct target *t)
{
        memset(t, 0, sizeof *t);
        if (call->actions[0] == ABI_ACTION_REMOVE_ALL)
                return remove_all(image, call, t);
        t->name.bytes = call->target;
        t->name.length = call->target_length;
        if (!t->name.length || t->name.length > QCOW2_MAX_NAME)
                return ABI_NAME_TOO_LONG;
        if (call->action_count > ABI_MAX_ACTIONS)
                return ABI_BAD_ACTION;
        t->bitmaps = image->directory.count;
        t->existed = directory_find(&image->directory, t->name, &t->old);
        t->exists = t->existed;
        t->flags = t->old.flags;
        t->granularity_bits = t->old.granularity_bits;
        for (uint32_t i = 0; i < call->action_count; i++) {
                uint32_t action = call->actions[i];
                if (stands_alone(action) && call->action_count != 1)
                        return ABI_BAD_ACTION;
                enum abi_code code = apply(image, call, action, t);
                if (code)
                        return code;
                t->actions_applied++;
        }
        return ABI_OK;
}
