/* SPDX-License-Identifier: MIT */
/* What INSTAR_DEBUG=1 adds: where a guest's run ended. */
#ifndef INSTAR_HOST_CLI_DEBUG_H
#define INSTAR_HOST_CLI_DEBUG_H

#include <stdbool.h>

#include "host/cli/text.h"
#include "host/vmm/outcome.h"

bool debug_wanted(void);

/* Append the numbers of guest/abi.h and host/vmm/outcome.h. */
void debug_append(struct text *err, enum edit_outcome outcome, uint32_t code,
                  const struct run_trace *trace);

#endif
