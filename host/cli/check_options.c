/* SPDX-License-Identifier: MIT */
/* getopt_long(3) in its "return in order" mode: see bitmap_options.c. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/check_options.h"

enum {
        OPTION_ALL = 256,
        OPTION_OUTPUT,
        OPTION_JOURNAL_DIRECTORY,
        OPTION_DISCARD_JOURNAL,
        OPTION_MEMORY_LIMIT,
        OPTION_RESET_DAMAGED,
        OPTION_RESET_IN_USE,
};

static const char short_options[] = "-:nqpUf:r:hV";

static const struct option long_options[] = {
    {"all", no_argument, NULL, OPTION_ALL},
    {"repair", required_argument, NULL, 'r'},
    {"reset-damaged", no_argument, NULL, OPTION_RESET_DAMAGED},
    {"reset-in-use", required_argument, NULL, OPTION_RESET_IN_USE},
    {"dry-run", no_argument, NULL, 'n'},
    {"quiet", no_argument, NULL, 'q'},
    {"progress", no_argument, NULL, 'p'},
    {"force-share", no_argument, NULL, 'U'},
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"journal-dir", required_argument, NULL, OPTION_JOURNAL_DIRECTORY},
    {"discard-journal", no_argument, NULL, OPTION_DISCARD_JOURNAL},
    {"memory-limit", required_argument, NULL, OPTION_MEMORY_LIMIT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

const struct option *check_long_options(void)
{
        return long_options;
}

static bool take_repair(const char *argument, struct check_options *options,
                        struct option_error *error)
{
        options->repair =
            strcmp(argument, "all") == 0 ? CHECK_REPAIR_ALL : CHECK_REPAIR_LEAKS;
        return options->repair == CHECK_REPAIR_ALL || strcmp(argument, "leaks") == 0
                   ? true
                   : option_reject(error, MESSAGE_REPAIR_KIND, argument);
}

/* Take one option that getopt knows; false if its argument is rejected. */
static bool take(int option, const char *argument, struct check_options *options,
                 struct option_error *error)
{
        switch (option) {
        case OPTION_POSITIONAL:
                options->paths[options->path_count++] = argument;
                return true;
        case OPTION_ALL:
                options->all = true;
                return true;
        case OPTION_RESET_IN_USE:
                options->reset_in_use = argument;
                return true;
        case 'n':
                options->dry_run = true;
                return true;
        case 'q':
                options->quiet = true;
                return true;
        case 'p':
                options->progress = true;
                return true;
        case 'U':
                options->force_share = true;
                return true;
        case 'f':
                options->format = argument;
                return true;
        case 'r':
                return take_repair(argument, options, error);
        case OPTION_RESET_DAMAGED:
                options->reset_damaged = true;
                return true;
        case OPTION_MEMORY_LIMIT:
                return option_take_memory_limit(argument, &options->memory_limit, error);
        case OPTION_DISCARD_JOURNAL:
                options->discard_journal = true;
                return true;
        case OPTION_OUTPUT:
                options->json = strcmp(argument, "json") == 0;
                if (options->json || strcmp(argument, "human") == 0)
                        return true;
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, argument);
        default: /* OPTION_JOURNAL_DIRECTORY */
                options->journal_directory = argument;
                return *argument
                           ? true
                           : option_reject(error, MESSAGE_JOURNAL_DIRECTORY, argument);
        }
}

/* A reset is an edit of one image. */
static bool goes_with_others(const struct check_options *options)
{
        return options->all || options->force_share || options->repair ||
               options->path_count != 1;
}

/* What makes no sense together; or MESSAGE_NONE. */
static enum message contradiction(const struct check_options *options)
{
        if (!options->all && options->path_count == 0)
                return MESSAGE_NO_FILENAME;
        if (options->reset_in_use && goes_with_others(options))
                return MESSAGE_RESET_ALONE;
        if (options->all && options->repair)
                return MESSAGE_REPAIR_ALL;
        if (options->force_share && options->repair)
                return MESSAGE_REPAIR_SHARED;
        if (options->reset_damaged && options->repair != CHECK_REPAIR_ALL)
                return MESSAGE_RESET_WITHOUT_REPAIR;
        if (options->all && options->discard_journal)
                return MESSAGE_DISCARD_ALL;
        if (options->force_share && options->discard_journal)
                return MESSAGE_DISCARD_SHARED;
        return MESSAGE_NONE;
}

static enum check_parse finish(int argc, char **argv, struct check_options *options,
                               struct option_error *error)
{
        enum message message;

        for (int i = optind; i < argc; i++)
                options->paths[options->path_count++] = argv[i];
        message = contradiction(options);
        if (!message)
                return CHECK_RUN;
        option_reject(error, message, "");
        return CHECK_REJECTED;
}

enum check_parse check_parse(int argc, char **argv, struct check_options *options,
                             struct option_error *error)
{
        *options = (struct check_options){0};
        *error = (struct option_error){.message = MESSAGE_NONE};
        options->paths = calloc((size_t)argc, sizeof *options->paths);
        if (!options->paths)
                return CHECK_NO_MEMORY;
        option_start();
        for (;;) {
                int option = option_next(argc, argv, short_options, long_options, error);

                if (option == -1)
                        return finish(argc, argv, options, error);
                if (option == 'h')
                        return CHECK_HELP;
                if (option == 'V')
                        return CHECK_VERSION;
                if (option == OPTION_BAD || !take(option, optarg, options, error))
                        return CHECK_REJECTED;
        }
}
