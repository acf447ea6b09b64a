/* SPDX-License-Identifier: MIT */
/*
 * The options of `instar bitmap`: what the parser takes and what it rejects (exit 2).
 * Whether the request makes sense is bitmap_refuse()'s business (exit 1).
 */
#ifndef INSTAR_HOST_CLI_BITMAP_OPTIONS_H
#define INSTAR_HOST_CLI_BITMAP_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"
#include "host/cli/command_line.h"

/* All strings are argv's. */
struct bitmap_options {
        const char *filename;
        const char *target;
        bool remove_all;       /* then there is no target */
        size_t metadata_count; /* flags other than --merge; may exceed the array */
        uint32_t metadata[ABI_MAX_ACTIONS]; /* enum abi_action, the first in order */
        bool adds;                          /* --add is among the flags */
        size_t source_count;                /* --merge flags; may exceed the array */
        const char *sources[ABI_MAX_MERGE_SOURCES];
        const char *granularity; /* -g as given, NULL without */
        bool object;             /* --object was given */
        bool image_opts;         /* --image-opts */
        bool cross_file;         /* -b or -F */
        struct common_options common;
};

/* Parse argv; argv[0] is the subcommand's name. */
enum parse_result bitmap_parse(int argc, char **argv, struct bitmap_options *options,
                               struct option_error *error);

/* Every long option, ended by a row without a name (for the test that --help tells all).
 */
const struct option *bitmap_long_options(void);

/* The text of `instar bitmap --help`. */
extern const char bitmap_help[];

#endif
