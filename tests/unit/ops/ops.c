/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/ops.h"

#include <string.h>

#include "guest/ops/bitmap.h"

#define IMAGE_CAPACITY (1ull << 30)

void ops_open(struct ops *ops)
{
        ops_open_sized(ops, IMAGE_CAPACITY);
}

void ops_open_sized(struct ops *ops, uint64_t image_capacity)
{
        struct native_options options = {.image_capacity = image_capacity};
        memset(ops, 0, sizeof *ops);
        ops->host = native_host_create(&options);
        assert_non_null(ops->host);
        ops->image = native_host_image(ops->host);
        assert_true(native_image_create(&ops->before, image_capacity, 512));
}

void ops_close(struct ops *ops)
{
        read_image_free(&ops->read);
        native_image_destroy(&ops->before);
        native_host_destroy(ops->host);
}

void ops_look(struct ops *ops)
{
        read_image_free(&ops->read);
        read_image(ops->image, &ops->read);
        ops->known_leaks = ops->read.leaks;
}

void ops_make(struct ops *ops, const struct made_options *options)
{
        ops->options = *options;
        ops->damaged = false;
        make_image(ops->image, options, &ops->places);
        ops_look(ops);
        if (ops->read.error[0])
                fail_msg("the maker's image: %s", ops->read.error);
        assert_int_equal(ops->read.corruptions, 0);
}

/* ---- calls ---------------------------------------------------------------------------
 */

static uint32_t action_of(char letter)
{
        static const char letters[] = "arcedmAs";
        const char *found = strchr(letters, letter);
        return found ? (uint32_t)(found - letters) + ABI_ACTION_ADD : 99;
}

static void add_sources(struct abi_call *call, const char *sources)
{
        size_t used = 0;
        while (*sources) {
                size_t length = strcspn(sources, "|");
                assert_true(call->source_count < ABI_MAX_MERGE_SOURCES);
                assert_true(used + length <= ABI_NAMES_POOL);
                memcpy(call->names + used, sources, length);
                call->source_offset[call->source_count] = (uint16_t)used;
                call->source_length[call->source_count++] = (uint16_t)length;
                used += length;
                sources += length + (sources[length] == '|');
        }
}

void ops_call(struct abi_call *call, const char *name, const char *actions,
              uint64_t granularity, const char *sources)
{
        memset(call, 0, sizeof *call);
        call->granularity = granularity;
        call->target_length = (uint32_t)strlen(name);
        memcpy(call->target, name, strlen(name));
        for (; *actions; actions++)
                call->actions[call->action_count++] = action_of(*actions);
        if (sources)
                add_sources(call, sources);
}

/* ---- judgement
 * ------------------------------------------------------------------------- */

static void judge_unchanged(struct ops *ops)
{
        assert_int_equal(native_trace_changes(native_host_trace(ops->host)), 0);
        assert_true(native_image_equal(ops->image, &ops->before));
}

static void judge(struct ops *ops, const struct read_image *old)
{
        const char *difference = read_difference(old, &ops->read);
        if (ops->read.error[0])
                fail_msg("unreadable: %s", ops->read.error);
        if (difference)
                fail_msg("changed: %s", difference);
        if (ops->read.corruptions)
                fail_msg("%llu corruptions, first at cluster %llu",
                         (unsigned long long)ops->read.corruptions,
                         (unsigned long long)ops->read.first_corruption);
        if (ops->read.leaks != ops->known_leaks)
                fail_msg("%llu leaks, %llu known, first at cluster %llu",
                         (unsigned long long)ops->read.leaks,
                         (unsigned long long)ops->known_leaks,
                         (unsigned long long)ops->read.first_leak);
        assert_int_equal(ops->outcome.result.bitmaps, ops->read.bitmap_count);
}

enum abi_code ops_run_call(struct ops *ops, const struct abi_call *call)
{
        struct abi_call flagged = *call;
        struct read_image old = ops->read;
        flagged.flags |= ops->flags;
        assert_true(native_image_copy(&ops->before, ops->image));
        ops->outcome = native_run(ops->host, guest_main, &flagged);
        if (ops->outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops->outcome.rule);
        assert_int_equal(ops->outcome.status, NATIVE_OK);
        read_image(ops->image, &ops->read);
        if (ops->outcome.result.code)
                judge_unchanged(ops);
        else
                ops->known_leaks += ops->outcome.result.leaked_clusters;
        if (!ops->outcome.result.code && !ops->damaged)
                judge(ops, &old);
        read_image_free(&old);
        return (enum abi_code)ops->outcome.result.code;
}

enum abi_code ops_run(struct ops *ops, const char *name, const char *actions)
{
        struct abi_call call;
        ops_call(&call, name, actions, 0, NULL);
        return ops_run_call(ops, &call);
}

enum abi_code ops_add(struct ops *ops, const char *name, uint64_t granularity)
{
        struct abi_call call;
        ops_call(&call, name, "a", granularity, NULL);
        return ops_run_call(ops, &call);
}

enum abi_code ops_merge(struct ops *ops, const char *name, const char *sources)
{
        struct abi_call call;
        ops_call(&call, name, "m", 0, sources);
        return ops_run_call(ops, &call);
}

const struct read_bitmap *ops_bitmap(const struct ops *ops, const char *name)
{
        const struct read_bitmap *bitmap = read_find(&ops->read, name, strlen(name));
        assert_non_null(bitmap);
        return bitmap;
}

uint64_t ops_bits_set(const struct ops *ops, const char *name)
{
        const struct read_bitmap *bitmap = ops_bitmap(ops, name);
        uint64_t set = 0;
        for (uint64_t i = 0; i < bitmap->bits_length; i++)
                set += (uint64_t)__builtin_popcount(bitmap->bits[i]);
        return set;
}
