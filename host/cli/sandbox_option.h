/* SPDX-License-Identifier: MIT */
/* What kind of machine guest programs run in: --sandbox, else INSTAR_SANDBOX, else KVM.
 */
#ifndef INSTAR_HOST_CLI_SANDBOX_OPTION_H
#define INSTAR_HOST_CLI_SANDBOX_OPTION_H

#include "host/cli/command_line.h"

/* The argument of --sandbox; false, and *error filled in, if it names no kind. */
bool sandbox_option_take(const char *argument, struct common_options *options,
                         struct option_error *error);

/*
 * To be called once, before anything is run.  PARSE_RUN; or PARSE_REJECTED, and *error
 * filled in, if the variable names no kind.
 */
enum parse_result sandbox_option_choose(const struct common_options *options,
                                        struct option_error *error);

#endif
