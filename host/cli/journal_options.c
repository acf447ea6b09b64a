/* SPDX-License-Identifier: MIT */
/* getopt_long(3) in its "return in order" mode: see bitmap_options.c. */
#include <string.h>

#include "host/cli/journal_options.h"

enum {
        OPTION_POSITIONAL = 1,
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

static bool reject(struct option_error *error, enum message message, const char *argument)
{
        error->message = message;
        error->argument = argument;
        return false;
}

static bool take_positional(const char *argument, struct journal_options *options,
                            struct option_error *error)
{
        if (!options->verb && strcmp(argument, "show") != 0)
                return reject(error, MESSAGE_JOURNAL_UNKNOWN_VERB, argument);
        if (!options->verb)
                options->verb = argument;
        else if (!options->path)
                options->path = argument;
        else
                return reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
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
                return reject(error, MESSAGE_OUTPUT_FORMAT, argument);
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
                reject(error, MESSAGE_JOURNAL_NO_VERB, "");
        else if (!options->path)
                reject(error, MESSAGE_JOURNAL_NO_FILE, "");
        else
                return JOURNAL_PARSE_SHOW;
        return JOURNAL_PARSE_REJECTED;
}

enum journal_parse journal_parse(int argc, char **argv, struct journal_options *options,
                                 struct option_error *error)
{
        *options = (struct journal_options){0};
        *error = (struct option_error){.message = MESSAGE_NONE};
        opterr = 0;
        optind = 0; /* start anew; getopt begins at argv[1] */
        for (;;) {
                const char *element = argv[optind ? optind : 1];
                int option = getopt_long(argc, argv, short_options, long_options, NULL);

                if (option == -1)
                        return finish(argc, argv, options, error);
                if (option == 'h')
                        return JOURNAL_PARSE_HELP;
                if (option == 'V')
                        return JOURNAL_PARSE_VERSION;
                if (option == '?' || option == ':') {
                        option_diagnose(option, element, long_options, error);
                        return JOURNAL_PARSE_REJECTED;
                }
                if (!take(option, optarg, options, error))
                        return JOURNAL_PARSE_REJECTED;
        }
}
