/* SPDX-License-Identifier: MIT */
/* getopt_long(3) in its "return in order" mode: see bitmap_options.c. */
#include "host/cli/look_options.h"

#include <string.h>

enum {
        OPTION_OUTPUT = 256,
        OPTION_COUNT,
        OPTION_BITMAP,
};

static const char short_options[] = "-:f:UhV";

#define COMMON_OPTIONS                                                                   \
        {"format", required_argument, NULL, 'f'},                                        \
            {"output", required_argument, NULL, OPTION_OUTPUT},                          \
            {"force-share", no_argument, NULL, 'U'}, {"help", no_argument, NULL, 'h'},   \
        {                                                                                \
                "version", no_argument, NULL, 'V'                                        \
        }

static const struct option info_options[] = {
    {"count", no_argument, NULL, OPTION_COUNT},
    COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};

static const struct option map_options[] = {
    {"bitmap", required_argument, NULL, OPTION_BITMAP},
    COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};

const struct option *look_long_options(enum look_command command)
{
        return command == LOOK_INFO ? info_options : map_options;
}

static bool take_positional(const char *argument, struct look_options *options,
                            struct option_error *error)
{
        if (options->filename)
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
        options->filename = argument;
        return true;
}

/* Take one option that getopt knows; false if its argument is rejected. */
static bool take(int option, const char *argument, struct look_options *options,
                 struct option_error *error)
{
        switch (option) {
        case OPTION_POSITIONAL:
                return take_positional(argument, options, error);
        case 'f':
                options->format = argument;
                return true;
        case 'U':
                options->force_share = true;
                return true;
        case OPTION_COUNT:
                options->count = true;
                return true;
        case OPTION_BITMAP:
                options->bitmap = argument;
                return true;
        default: /* OPTION_OUTPUT */
                options->json = strcmp(argument, "json") == 0;
                if (options->json || strcmp(argument, "human") == 0)
                        return true;
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, argument);
        }
}

/* What stands behind "--", and whether all that must be there is. */
static enum look_parse finish(enum look_command command, int argc, char **argv,
                              struct look_options *options, struct option_error *error)
{
        for (int i = optind; i < argc; i++)
                if (!take_positional(argv[i], options, error))
                        return LOOK_REJECTED;
        if (!options->filename)
                option_reject(error, MESSAGE_NO_FILENAME, "");
        else if (command == LOOK_MAP && !options->bitmap)
                option_reject(error, MESSAGE_NO_BITMAP_OPTION, "");
        else
                return LOOK_RUN;
        return LOOK_REJECTED;
}

enum look_parse look_parse(enum look_command command, int argc, char **argv,
                           struct look_options *options, struct option_error *error)
{
        const struct option *long_options = look_long_options(command);

        *options = (struct look_options){0};
        *error = (struct option_error){.message = MESSAGE_NONE};
        option_start();
        for (;;) {
                int option = option_next(argc, argv, short_options, long_options, error);

                if (option == -1)
                        return finish(command, argc, argv, options, error);
                if (option == 'h')
                        return LOOK_HELP;
                if (option == 'V')
                        return LOOK_VERSION;
                if (option == OPTION_BAD || !take(option, optarg, options, error))
                        return LOOK_REJECTED;
        }
}
