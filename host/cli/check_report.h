/* SPDX-License-Identifier: MIT */
/* What `instar check` tells of one image. */
#ifndef INSTAR_HOST_CLI_CHECK_REPORT_H
#define INSTAR_HOST_CLI_CHECK_REPORT_H

#include <jansson.h>

#include "host/cli/check_image.h"
#include "host/cli/text.h"

/* For people: what was found and done. */
void check_report_human(const char *path, const struct check_result *result,
                        struct text *out);

/* The same two of a journal that the index knows, and whose folder is not there. */
void check_report_unreachable(const char *path, const char *journal, struct text *out);
json_t *check_report_unreachable_json(const char *path, const char *journal);

/* For both: what failed. */
void check_report_errors(const struct check_options *options, const char *path,
                         const struct check_result *result, struct text *err);

/* For programs; NULL without memory. */
json_t *check_report_json(const struct check_options *options, const char *path,
                          const struct check_result *result);

#endif
