/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_CHECK_RESET_H
#define INSTAR_HOST_CLI_CHECK_RESET_H

#include "host/cli/check_options.h"

/*
 * `instar check --reset-in-use NAME`: the one image's bitmap, left in use by a virtual
 * machine that died, is usable again, with every bit set; with -n it is only told.
 * Returns the exit code: 0 too where the bitmap is not in use and nothing changes.
 */
int check_reset(const struct check_options *options, int argc, char **argv);

#endif
