/* SPDX-License-Identifier: MIT */
/* What the checker finds, in qemu-img's words. */
#ifndef INSTAR_HOST_CLI_CHECK_FINDINGS_H
#define INSTAR_HOST_CLI_CHECK_FINDINGS_H

#include <stdbool.h>

#include "guest/abi_check.h"
#include "host/cli/text.h"

/* Append the line, with its end; false for a kind that is none.  `id` and `name` are a
 * snapshot's, for the kinds that have them, else empty. */
bool finding_append(struct text *text, const struct abi_finding *finding, const char *id,
                    const char *name);

#endif
