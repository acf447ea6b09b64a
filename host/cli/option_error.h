/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_OPTION_ERROR_H
#define INSTAR_HOST_CLI_OPTION_ERROR_H

#include <getopt.h>

#include "host/cli/messages.h"

/* What the option parser rejected: a row of the messages and what it names. */
struct option_error {
        enum message message;
        const char *argument; /* argv's own, or option */
        char option[4];       /* a short option, "-x" */
        char candidates[256]; /* of an ambiguous abbreviation: "--merge, --memory" */
};

/*
 * Say why getopt_long(3) returned `got` ('?' or ':').  To be called at once: it needs
 * getopt's optopt as it is.  `element` is argv[optind] from before the call, `options`
 * the table that was passed.
 */
void option_diagnose(int got, const char *element, const struct option *options,
                     struct option_error *error);

#endif
