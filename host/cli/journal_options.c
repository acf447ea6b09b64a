/* SPDX-License-Identifier: MIT */
/* getopt_long(3) in its "return in order" mode: see bitmap_options.c. */
#include <string.h>

#include "host/cli/journal_options.h"

enum {
        OPTION_OUTPUT = 256,
};

static const char short_options[] = "-:hV";

static const struct option long_options[] = {
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

const struct option *journal_long_options(void)
{
        return long_options;
}

static bool take_positional(const char *argument, struct journal_options *options,
                            struct option_error *error)
{
        if (!options->verb && strcmp(argument, "show") != 0)
                return option_reject(error, MESSAGE_JOURNAL_UNKNOWN_VERB, argument);
        if (!options->verb)
                options->verb = argument;
        else if (!options->path)
                options->path = argument;
        else
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
        return true;
}

/* Take one option that getopt knows; false if its argument is rejected. */
static bool take(int option, const char *argument, struct journal_options *options,
                 struct option_error *error)
{
        if (option == OPTION_POSITIONAL)
                return take_positional(argument, options, error);
        options->json = strcmp(argument, "json") == 0;
        if (!options->json && strcmp(argument, "human") != 0)
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, argument);
        return true;
}

/* What stands behind "--", and whether all positional arguments are there. */
static enum journal_parse finish(int argc, char **argv, struct journal_options *options,
                                 struct option_error *error)
{
        for (int i = optind; i < argc; i++)
                if (!take_positional(argv[i], options, error))
                        return JOURNAL_PARSE_REJECTED;
        if (!options->verb)
                option_reject(error, MESSAGE_JOURNAL_NO_VERB, "");
        else if (!options->path)
                option_reject(error, MESSAGE_JOURNAL_NO_FILE, "");
        else
                return JOURNAL_PARSE_SHOW;
        return JOURNAL_PARSE_REJECTED;
}

enum journal_parse journal_parse(int argc, char **argv, struct journal_options *options,
                                 struct option_error *error)
{
        *options = (struct journal_options){0};
        *error = (struct option_error){.message = MESSAGE_NONE};
        option_start();
        for (;;) {
                int option = option_next(argc, argv, short_options, long_options, error);

                if (option == -1)
                        return finish(argc, argv, options, error);
                if (option == 'h')
                        return JOURNAL_PARSE_HELP;
                if (option == 'V')
                        return JOURNAL_PARSE_VERSION;
                if (option == OPTION_BAD || !take(option, optarg, options, error))
                        return JOURNAL_PARSE_REJECTED;
        }
}
