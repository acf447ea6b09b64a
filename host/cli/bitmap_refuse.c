/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "host/cli/bitmap_refuse.h"
#include "host/cli/open_image.h"
#include "host/cli/size.h"

#define GRANULARITY_LEAST UINT64_C(512)
#define GRANULARITY_MOST  (UINT64_C(2) << 30)

/* The actions as a whole: all --merge flags of an invocation are one. */
static enum message refuse_actions(const struct bitmap_options *options)
{
        size_t merges = options->source_count > 0;

        if (options->object)
                return MESSAGE_OBJECT;
        if (options->image_opts)
                return MESSAGE_IMAGE_OPTS;
        if (options->cross_file)
                return MESSAGE_CROSS_FILE;
        if (options->metadata_count + merges == 0 && !options->remove_all)
                return MESSAGE_NO_ACTION;
        if (options->granularity && !options->adds)
                return MESSAGE_GRANULARITY_WITHOUT_ADD;
        if (options->remove_all && options->metadata_count + merges)
                return MESSAGE_REMOVE_ALL_MIXED;
        if (options->metadata_count + merges > ABI_MAX_ACTIONS)
                return MESSAGE_TOO_MANY_ACTIONS;
        if (merges && options->metadata_count)
                return MESSAGE_MERGE_MIXED;
        if (options->source_count > ABI_MAX_MERGE_SOURCES)
                return MESSAGE_TOO_MANY_SOURCES;
        return MESSAGE_NONE;
}

/* 64 bits all the way: 4 GiB + 512 is no granularity, whatever its lower half says. */
static enum message take_granularity(const char *text, uint64_t *granularity)
{
        if (!text)
                return MESSAGE_NONE; /* 0: the default, which depends on the cluster size
                                      */
        if (!size_parse(text, granularity) || *granularity < GRANULARITY_LEAST ||
            *granularity > GRANULARITY_MOST || (*granularity & (*granularity - 1)))
                return MESSAGE_GRANULARITY;
        return MESSAGE_NONE;
}

static enum message take_target(const char *name, struct abi_call *call)
{
        size_t length = strlen(name);

        if (length == 0 || length > ABI_MAX_NAME)
                return MESSAGE_TARGET_LENGTH;
        memcpy(call->target, name, length);
        call->target_length = (uint32_t)length;
        return MESSAGE_NONE;
}

/* Lengths first, then their sum: a name that is wrong by itself is told as that. */
static enum message take_sources(const struct bitmap_options *options,
                                 struct abi_call *call)
{
        size_t used = 0;

        for (size_t i = 0; i < options->source_count; i++) {
                size_t length = strlen(options->sources[i]);
                if (length == 0 || length > ABI_MAX_NAME)
                        return MESSAGE_SOURCE_LENGTH;
        }
        for (size_t i = 0; i < options->source_count; i++) {
                size_t length = strlen(options->sources[i]);
                if (length > ABI_NAMES_POOL - used)
                        return MESSAGE_NAMES_POOL;
                memcpy(call->names + used, options->sources[i], length);
                call->source_offset[i] = (uint16_t)used;
                call->source_length[i] = (uint16_t)length;
                used += length;
        }
        call->source_count = (uint32_t)options->source_count;
        return MESSAGE_NONE;
}

static void take_actions(const struct bitmap_options *options, struct abi_call *call)
{
        call->action_count = (uint32_t)options->metadata_count;
        memcpy(call->actions, options->metadata, sizeof call->actions);
        if (options->source_count) {
                call->action_count = 1;
                call->actions[0] = ABI_ACTION_MERGE;
        }
        if (options->remove_all) {
                call->action_count = 1;
                call->actions[0] = ABI_ACTION_REMOVE_ALL;
        }
        call->flags = options->common.no_ownership_scan ? ABI_CALL_NO_OWNERSHIP_SCAN : 0;
}

enum message bitmap_refuse(const struct bitmap_options *options, struct abi_call *call,
                           struct message_values *values)
{
        enum message message;

        memset(call, 0, sizeof *call);
        message = refuse_actions(options);
        if (!message)
                message = take_granularity(options->granularity, &call->granularity);
        if (!message && !options->remove_all)
                message = take_target(options->target, call);
        if (!message)
                message = take_sources(options, call);
        if (!message && !is_our_format(options->common.format)) {
                values->argument = options->common.format;
                message = MESSAGE_FORMAT;
        }
        if (!message)
                take_actions(options, call);
        return message;
}
