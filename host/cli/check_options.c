/* SPDX-License-Identifier: MIT */
#include "host/cli/check_options.h"

#include <stdlib.h>
#include <string.h>

enum {
        OPTION_ALL = 256,
        OPTION_RESET_DAMAGED,
        OPTION_RESET_IN_USE,
};

static const struct option long_options[] = {
    {ROW_SANDBOX}, /* the whole word only */
    {"all", no_argument, NULL, OPTION_ALL},
    {"repair", required_argument, NULL, 'r'},
    {"reset-damaged", no_argument, NULL, OPTION_RESET_DAMAGED},
    {"reset-in-use", required_argument, NULL, OPTION_RESET_IN_USE},
    {"dry-run", no_argument, NULL, 'n'},
    {ROW_QUIET},
    {"progress", no_argument, NULL, 'p'},
    {ROW_FORCE_SHARE},
    {ROW_FORMAT},
    {ROW_OUTPUT},
    {ROW_JOURNAL_DIR},
    {ROW_DISCARD},
    {ROW_MEMORY},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
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

static bool take(int option, const char *argument, void *into, struct option_error *error)
{
        struct check_options *options = into;

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
        case 'p':
                options->progress = true;
                return true;
        case 'r':
                return take_repair(argument, options, error);
        case OPTION_RESET_DAMAGED:
                options->reset_damaged = true;
                return true;
        default:
                return common_option_take(option, argument, &options->common, error);
        }
}

/* A reset is an edit of one image. */
static bool goes_with_others(const struct check_options *options)
{
        return options->all || options->common.force_share || options->repair ||
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
        if (options->common.force_share && options->repair)
                return MESSAGE_REPAIR_SHARED;
        if (options->reset_damaged && options->repair != CHECK_REPAIR_ALL)
                return MESSAGE_RESET_WITHOUT_REPAIR;
        if (options->all && options->common.discard_journal)
                return MESSAGE_DISCARD_ALL;
        if (options->common.force_share && options->common.discard_journal)
                return MESSAGE_DISCARD_SHARED;
        return MESSAGE_NONE;
}

static bool finish(void *into, struct option_error *error)
{
        enum message message = contradiction(into);

        return message ? option_reject(error, message, "") : true;
}

enum parse_result check_parse(int argc, char **argv, struct check_options *options,
                              struct option_error *error)
{
        static const struct command_line line = {"-:nqpUf:r:hV", long_options, 1, take,
                                                 finish};

        *options = (struct check_options){0};
        options->paths = calloc((size_t)argc, sizeof *options->paths);
        if (!options->paths)
                return PARSE_NO_MEMORY;
        return command_line_parse(&line, argc, argv, options, error);
}
