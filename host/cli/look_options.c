/* SPDX-License-Identifier: MIT */
#include "host/cli/look_options.h"

enum {
        OPTION_COUNT = 256,
        OPTION_BITMAP,
};

static const struct option info_options[] = {
    {ROW_SANDBOX}, /* the whole word only */
    {"count", no_argument, NULL, OPTION_COUNT},
    {ROW_FORMAT},
    {ROW_OUTPUT},
    {ROW_FORCE_SHARE},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
};

static const struct option map_options[] = {
    {ROW_SANDBOX}, /* the whole word only */
    {"bitmap", required_argument, NULL, OPTION_BITMAP},
    {ROW_FORMAT},
    {ROW_OUTPUT},
    {ROW_FORCE_SHARE},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
};

static bool take(int option, const char *argument, void *into, struct option_error *error)
{
        struct look_options *options = into;

        switch (option) {
        case OPTION_POSITIONAL:
                return command_line_positional(argument, &options->filename, NULL, error);
        case OPTION_COUNT:
                options->count = true;
                return true;
        case OPTION_BITMAP:
                options->bitmap = argument;
                return true;
        default:
                return common_option_take(option, argument, &options->common, error);
        }
}

static bool finish_info(void *into, struct option_error *error)
{
        const struct look_options *options = into;

        return options->filename ? true : option_reject(error, MESSAGE_NO_FILENAME, "");
}

static bool finish_map(void *into, struct option_error *error)
{
        const struct look_options *options = into;

        if (!finish_info(into, error))
                return false;
        return options->bitmap ? true
                               : option_reject(error, MESSAGE_NO_BITMAP_OPTION, "");
}

static const struct command_line lines[] = {
    [LOOK_INFO] = {"-:f:UhV", info_options, 1, take, finish_info},
    [LOOK_MAP] = {"-:f:UhV", map_options, 1, take, finish_map},
};

const struct option *look_long_options(enum look_command command)
{
        return lines[command].options;
}

enum parse_result look_parse(enum look_command command, int argc, char **argv,
                             struct look_options *options, struct option_error *error)
{
        *options = (struct look_options){0};
        return command_line_parse(&lines[command], argc, argv, options, error);
}
