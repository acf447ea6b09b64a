/* SPDX-License-Identifier: MIT */
/* What `instar check` tells of one image beside its findings: what was repaired, what
 * failed, and what helps. */
#ifndef INSTAR_HOST_CLI_CHECK_ERRORS_H
#define INSTAR_HOST_CLI_CHECK_ERRORS_H

#include <jansson.h>

#include "host/cli/check_heading.h"
#include "host/cli/check_image.h"

/* To stderr, below the image's heading. */
void check_errors_put(const struct check_options *options, const char *path,
                      const struct check_result *result, struct check_heading *heading,
                      struct output *err);

/* What failed, for programs: "instar-error", and "instar-hint" where something helps. */
void check_errors_set_json(const struct check_options *options, const char *path,
                           const struct check_result *result, json_t *object);

#endif
