/* SPDX-License-Identifier: MIT */
/* The reports of `instar info`'s guest program, checked. */
#ifndef INSTAR_HOST_CLI_INFO_SINK_H
#define INSTAR_HOST_CLI_INFO_SINK_H

#include "host/cli/info_view.h"
#include "host/vmm/doorbell.h"

struct info_sink {
        const struct info_view *view;
        struct info *info;
        uint64_t last;                         /* kind of the last report; 0: none yet */
        uint8_t image_strings[ABI_MAX_REPORT]; /* the head's, for the tail */
};

void info_sink_start(struct info_sink *sink, const struct info_view *view,
                     struct info *info);

/*
 * A struct report_sink's take(): check the report, and show it.  -EBADMSG for one that is
 * malformed, impossible or out of order; the negative errno of an output that failed.
 */
int info_sink_take(void *sink, uint64_t kind, const uint8_t *bytes, size_t length);

#endif
