/* SPDX-License-Identifier: MIT */
/* The options of the subcommands that only look: `instar info` and `instar map`. */
#ifndef INSTAR_HOST_CLI_LOOK_OPTIONS_H
#define INSTAR_HOST_CLI_LOOK_OPTIONS_H

#include "host/cli/command_line.h"

enum look_command {
        LOOK_INFO, /* --count, no --bitmap */
        LOOK_MAP,  /* --bitmap, which must be there; no --count */
};

/* All strings are argv's. */
struct look_options {
        const char *filename;
        struct common_options common;
        const char *bitmap; /* --bitmap; of `map`, not NULL */
        bool count;
};

/* Parse argv; argv[0] is the subcommand's name. */
enum parse_result look_parse(enum look_command command, int argc, char **argv,
                             struct look_options *options, struct option_error *error);

/* Every long option, ended by a row without a name (for the test that --help tells all).
 */
const struct option *look_long_options(enum look_command command);

/* The texts of `instar info --help` and `instar map --help`. */
extern const char info_help[];
extern const char map_help[];

#endif
