/* SPDX-License-Identifier: MIT */
/*
 * The command line of a subcommand, parsed by its table.  A row that getopt_long(3) knows
 * goes to the subcommand's own take(), which leaves to common_option_take() what is not
 * its own.
 */
#ifndef INSTAR_HOST_CLI_COMMAND_LINE_H
#define INSTAR_HOST_CLI_COMMAND_LINE_H

#include "host/cli/common_options.h"

struct command_line {
        const char *short_options; /* "-:" first */
        const struct option *options;
        /*
         * So many rows at the beginning must be spelled out, the others may be
         * abbreviated: a new option never makes an old abbreviation ambiguous (--me would
         * be --merge or --memory-limit).
         */
        size_t whole_words;
        /* Of one option, or of a positional argument (OPTION_POSITIONAL): false, and
         * *error filled in, if it is rejected. */
        bool (*take)(int option, const char *argument, void *into,
                     struct option_error *error);
        /* At the end: is all there that must be, and does it make sense together? */
        bool (*finish)(void *into, struct option_error *error);
};

enum parse_result {
        PARSE_RUN,
        PARSE_HELP,
        PARSE_VERSION,
        PARSE_REJECTED, /* *error says why */
        PARSE_NO_MEMORY,
};

/* argv[0] is the subcommand's name; `into` is what take() and finish() fill. */
enum parse_result command_line_parse(const struct command_line *line, int argc,
                                     char **argv, void *into, struct option_error *error);

/* Take a positional argument, the first or (where there may be two) the second. */
bool command_line_positional(const char *argument, const char **first,
                             const char **second, struct option_error *error);

#endif
