/* SPDX-License-Identifier: MIT */
/*
 * The guest may be hostile (invariant 9): nothing of a report is printed before all of it
 * was checked, and the extents have to be a list of extents, ascending and apart.
 */
#include "host/cli/map_sink.h"

#include <errno.h>
#include <string.h>

#include "guest/abi.h"
#include "guest/rt/checked.h"
#include "host/cli/map_picture.h"

void map_sink_start(struct map_sink *sink, int fd, const struct map_format *format,
                    uint32_t columns, bool utf8)
{
        sink->format = format;
        sink->columns = columns;
        sink->utf8 = utf8;
        sink->has_picture = false;
        sink->has_extents = false;
        sink->size = INT64_MAX;
        sink->least = 0;
        output_start(&sink->output, fd);
}

static bool take_picture(struct map_sink *sink, const uint8_t *bytes, size_t length)
{
        struct abi_report_picture facts;
        uint64_t dirty[ABI_MAX_COLUMNS];

        if (!sink->columns || sink->has_picture || sink->has_extents ||
            length != sizeof facts + sink->columns * sizeof dirty[0])
                return false;
        memcpy(&facts, bytes, sizeof facts);
        memcpy(dirty, bytes + sizeof facts, length - sizeof facts);
        if (facts.columns != sink->columns || !map_picture_is_sound(&facts, dirty))
                return false;
        sink->has_picture = true;
        sink->size = facts.size;
        map_picture_draw(&sink->output, &facts, dirty, sink->utf8);
        output_string(&sink->output, "\n");
        return true;
}

/* Neighbours would have been merged, so between two extents something is clean. */
static bool are_extents(struct map_sink *sink, const uint8_t *bytes, size_t length)
{
        for (size_t at = 0; at < length; at += sizeof(struct abi_range)) {
                struct abi_range extent;
                uint64_t end;

                memcpy(&extent, bytes + at, sizeof extent);
                if (!extent.length || extent.offset < sink->least ||
                    !checked_add(extent.offset, extent.length, &end) || end > sink->size)
                        return false;
                sink->least = end + 1;
        }
        return true;
}

static bool take_extents(struct map_sink *sink, const uint8_t *bytes, size_t length)
{
        if (!length || length % sizeof(struct abi_range) ||
            (sink->columns && !sink->has_picture) || !are_extents(sink, bytes, length))
                return false;
        sink->format->extents(&sink->output, bytes, length / sizeof(struct abi_range),
                              !sink->has_extents);
        sink->has_extents = true;
        return true;
}

static bool take(struct map_sink *sink, uint64_t kind, const uint8_t *bytes,
                 size_t length)
{
        switch (kind) {
        case ABI_REPORT_PICTURE:
                return take_picture(sink, bytes, length);
        case ABI_REPORT_EXTENTS:
                return take_extents(sink, bytes, length);
        default:
                return false;
        }
}

/* As a negative errno that says nothing of the report. */
static int output_error(int error)
{
        return error == EBADMSG ? -EIO : -error;
}

int map_sink_take(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        struct map_sink *sink = context;

        if (!take(sink, kind, bytes, length))
                return -EBADMSG;
        return output_error(sink->output.error);
}

int map_sink_finish(struct map_sink *sink)
{
        if (sink->columns && !sink->has_picture)
                return -EBADMSG;
        sink->format->end(&sink->output, !sink->has_extents);
        return output_error(output_finish(&sink->output));
}
