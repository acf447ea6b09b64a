/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_RESIZE_REPORT_H
#define INSTAR_HOST_CLI_RESIZE_REPORT_H

#include "host/cli/resize_options.h"

/* Put the outcome of a resize into words, as bitmap_report() does it. */
int resize_report(const struct resize_options *options, const struct edit_report *report,
                  bool debug, struct text *out, struct text *err);

#endif
