/* SPDX-License-Identifier: MIT */
/* The options of `instar journal`. */
#ifndef INSTAR_HOST_CLI_JOURNAL_OPTIONS_H
#define INSTAR_HOST_CLI_JOURNAL_OPTIONS_H

#include "host/cli/command_line.h"

/* All strings are argv's. */
struct journal_options {
        const char *verb;
        const char *path; /* of the journal */
        struct common_options common;
};

/* Parse argv; argv[0] is the subcommand's name. */
enum parse_result journal_parse(int argc, char **argv, struct journal_options *options,
                                struct option_error *error);

/* Every long option, ended by a row without a name (for the test that --help tells all).
 */
const struct option *journal_long_options(void);

/* The text of `instar journal --help`. */
extern const char journal_help[];

#endif
