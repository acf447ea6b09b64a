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

/* A journal that the index knows, and whose folder is not there. */
void check_report_unreachable(const char *path, const char *journal, struct text *out);

/* A journal without its image, or the other way round; `path` may be NULL. */
json_t *check_report_orphan_json(const char *path, const char *journal,
                                 const char *state);

/* For programs; NULL without memory. */
json_t *check_report_json(const struct check_options *options, const char *path,
                          const struct check_result *result);

#endif
