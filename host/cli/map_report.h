/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_MAP_REPORT_H
#define INSTAR_HOST_CLI_MAP_REPORT_H

#include "host/cli/look_options.h"
#include "host/cli/map_sink.h"
#include "host/vmm/inspect.h"

/*
 * A run has ended.  If it did well, print what is left of the map; if not, print no more
 * of it, and put into words for stderr, `err`, what went wrong.  `debug`: INSTAR_DEBUG=1.
 * Returns the exit code.
 */
int map_report(const struct look_options *options, const struct inspect_report *report,
               struct map_sink *sink, bool debug, struct text *err);

#endif
