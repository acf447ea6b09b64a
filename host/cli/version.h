/* SPDX-License-Identifier: MIT */
/* What `instar --version --verbose` tells beside the version. */
#ifndef INSTAR_HOST_CLI_VERSION_H
#define INSTAR_HOST_CLI_VERSION_H

#include "host/cli/text.h"

/* The layers of the sandbox that this build and this kernel have, and each filter's
 * system calls, a line each: its name, what its arguments must be, and the reason,
 * separated by tabs. */
void version_append_sandbox(struct text *text);

#endif
