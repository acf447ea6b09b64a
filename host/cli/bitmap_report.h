/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_BITMAP_REPORT_H
#define INSTAR_HOST_CLI_BITMAP_REPORT_H

#include "host/cli/bitmap_options.h"

/*
 * Put the outcome of an edit into words: `out` for stdout (only with --output
 * json, only on success), `err` for stderr.  `debug`: INSTAR_DEBUG=1.  Returns the exit
 * code.
 *
 * An edit whose switch is durable (report->committed) was done, whatever happened
 * afterwards (invariant 2): that is exit 0 with a warning.
 */
int bitmap_report(const struct bitmap_options *options, const struct edit_report *report,
                  bool debug, struct text *out, struct text *err);

#endif
