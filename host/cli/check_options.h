/* SPDX-License-Identifier: MIT */
/* The options of `instar check`. */
#ifndef INSTAR_HOST_CLI_CHECK_OPTIONS_H
#define INSTAR_HOST_CLI_CHECK_OPTIONS_H

#include "host/cli/command_line.h"

enum check_repair { CHECK_REPAIR_NOTHING, CHECK_REPAIR_LEAKS, CHECK_REPAIR_ALL };

/* All strings are argv's. */
struct check_options {
        enum check_repair repair; /* -r */
        bool reset_damaged;
        const char *reset_in_use; /* the bitmap's name, NULL without */
        bool all;                 /* every interrupted edit that is known or found */
        bool dry_run;             /* tell, change nothing */
        bool progress;            /* -p */
        const char **paths;       /* images; with --all folders; malloc'ed */
        int path_count;
        struct common_options common;
};

/* Parse argv; argv[0] is the subcommand's name.  free(options->paths) afterwards. */
enum parse_result check_parse(int argc, char **argv, struct check_options *options,
                              struct option_error *error);

/* Every long option, ended by a row without a name (for the test that --help tells all).
 */
const struct option *check_long_options(void);

/* The text of `instar check --help`. */
extern const char check_help[];

#endif
