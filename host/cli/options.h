/* SPDX-License-Identifier: MIT */
/* What the option parsers of all subcommands share. */
#ifndef INSTAR_HOST_CLI_OPTIONS_H
#define INSTAR_HOST_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include "host/cli/messages.h"

/* What the option parser rejected: a row of the messages and what it names. */
struct option_error {
        enum message message;
        const char *argument; /* argv's own, or option */
        char option[4];       /* a short option, "-x" */
        char candidates[256]; /* of an ambiguous abbreviation: "--merge, --memory" */
};

/* Fill in *error; returns false. */
bool option_reject(struct option_error *error, enum message message,
                   const char *argument);

/*
 * getopt_long(3) in its "return in order" mode ('-' first in `short_options`, then ':'):
 * positional arguments are options to it, so they may stand anywhere, and argv is not
 * shuffled.  option_start() begins anew.  option_next() returns what getopt_long does,
 * but OPTION_BAD, with *error filled in, where it would return '?' or ':'.
 */
#define OPTION_POSITIONAL 1
#define OPTION_BAD        (-2)
void option_start(void);
int option_next(int argc, char **argv, const char *short_options,
                const struct option *options, struct option_error *error);

/* The element of argv that option_next() looks at next. */
const char *option_element(char **argv);

/*
 * Say why getopt_long(3) returned `got` ('?' or ':').  To be called at once: it needs
 * getopt's optopt as it is.  `element` is argv[optind] from before the call, `options`
 * the table that was passed.
 */
void option_diagnose(int got, const char *element, const struct option *options,
                     struct option_error *error);

#endif
