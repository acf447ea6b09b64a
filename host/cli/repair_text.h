/* SPDX-License-Identifier: MIT */
/* What a repair does, in words. */
#ifndef INSTAR_HOST_CLI_REPAIR_TEXT_H
#define INSTAR_HOST_CLI_REPAIR_TEXT_H

#include <stdbool.h>

#include "guest/abi_repair.h"
#include "host/cli/text.h"

/* Append the words for one thing, without a line end.  `name`: of the bitmap, any bytes.
 * False for a kind that there is not. */
bool repair_append(struct text *text, const struct abi_report_repair *repair,
                   const void *name);

#endif
