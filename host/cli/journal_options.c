/* SPDX-License-Identifier: MIT */
#include "host/cli/journal_options.h"

#include <string.h>

static const struct option long_options[] = {
    {ROW_OUTPUT},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
};

const struct option *journal_long_options(void)
{
        return long_options;
}

static bool take(int option, const char *argument, void *into, struct option_error *error)
{
        struct journal_options *options = into;

        if (option != OPTION_POSITIONAL)
                return common_option_take(option, argument, &options->common, error);
        if (!options->verb && strcmp(argument, "show") != 0)
                return option_reject(error, MESSAGE_JOURNAL_UNKNOWN_VERB, argument);
        return command_line_positional(argument, &options->verb, &options->path, error);
}

static bool finish(void *into, struct option_error *error)
{
        const struct journal_options *options = into;

        if (!options->verb)
                return option_reject(error, MESSAGE_JOURNAL_NO_VERB, "");
        return options->path ? true : option_reject(error, MESSAGE_JOURNAL_NO_FILE, "");
}

enum parse_result journal_parse(int argc, char **argv, struct journal_options *options,
                                struct option_error *error)
{
        static const struct command_line line = {"-:hV", long_options, 0, take, finish};

        *options = (struct journal_options){0};
        return command_line_parse(&line, argc, argv, options, error);
}
