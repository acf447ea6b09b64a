/* SPDX-License-Identifier: MIT */
/*
 * The options of `instar resize`: what the parser takes and what it rejects (exit 2).
 * What the size says is resize_call()'s business (exit 1).
 */
#ifndef INSTAR_HOST_CLI_RESIZE_OPTIONS_H
#define INSTAR_HOST_CLI_RESIZE_OPTIONS_H

#include "host/cli/options.h"

/* All strings are argv's. */
struct resize_options {
        const char *filename;
        const char *size;   /* with its sign, if it has one */
        const char *format; /* -f as given, NULL without */
        bool json;
        bool quiet;
        bool shrink;
        bool no_ownership_scan;
        const char *journal_directory; /* --journal-dir, NULL without */
        bool discard_journal;
        uint64_t memory_limit; /* bytes, a multiple of OPTION_MEMORY_UNIT */
};

enum resize_parse {
        RESIZE_RUN,
        RESIZE_HELP,
        RESIZE_VERSION,
        RESIZE_REJECTED, /* *error says why */
};

/* Parse argv; argv[0] is the subcommand's name. */
enum resize_parse resize_parse(int argc, char **argv, struct resize_options *options,
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
