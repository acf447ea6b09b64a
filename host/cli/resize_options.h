/* SPDX-License-Identifier: MIT */
/*
 * The options of `instar resize`: what the parser takes and what it rejects (exit 2).
 * What the size says is resize_call()'s business (exit 1).
 */
#ifndef INSTAR_HOST_CLI_RESIZE_OPTIONS_H
#define INSTAR_HOST_CLI_RESIZE_OPTIONS_H

#include "host/cli/command_line.h"

/* All strings are argv's. */
struct resize_options {
        const char *filename;
        const char *size; /* with its sign, if it has one */
        const char *less; /* the last word of argv, where it is a size with a minus sign;
                           * then the size */
        bool shrink;
        struct common_options common;
};

/* Parse argv; argv[0] is the subcommand's name. */
enum parse_result resize_parse(int argc, char **argv, struct resize_options *options,
                               struct option_error *error);

/*
 * Every refusal that needs no image.  MESSAGE_NONE and the request in *call, or the row
 * of the first thing that is wrong; values->argument is filled where the row shows one.
 */
enum message resize_call(const struct resize_options *options, struct abi_call *call,
                         struct message_values *values);

/* Every long option, ended by a row without a name (for the test that --help tells all).
 */
const struct option *resize_long_options(void);

/* The text of `instar resize --help`. */
extern const char resize_help[];

#endif
