/* SPDX-License-Identifier: MIT */
/* The reports of `instar map`'s guest program, checked. */
#ifndef INSTAR_HOST_CLI_MAP_SINK_H
#define INSTAR_HOST_CLI_MAP_SINK_H

#include "host/cli/map_format.h"

struct map_sink {
        const struct map_format *format;
        uint32_t columns; /* of the picture that was asked for; 0: none */
        bool utf8;        /* draw it with block characters */
        struct output output;

        bool has_picture;
        bool has_extents;
        uint64_t size;  /* no extent may end behind: the disk's, as far as it is known */
        uint64_t least; /* where the next extent may begin */
};

void map_sink_start(struct map_sink *sink, int fd, const struct map_format *format,
                    uint32_t columns, bool utf8);

/*
 * A struct report_sink's take(): check the report, and print it.  -EBADMSG for one that
 * is malformed, impossible or out of order; the negative errno of an output that failed.
 */
int map_sink_take(void *sink, uint64_t kind, const uint8_t *bytes, size_t length);

/* The guest has ended well: print what is left.  As map_sink_take(). */
int map_sink_finish(struct map_sink *sink);

#endif
