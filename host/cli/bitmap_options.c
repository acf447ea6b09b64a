/* SPDX-License-Identifier: MIT */
/*
 * Long options may be abbreviated, but only those of the specification: options of our
 * own must be spelled out.
 */
#include "host/cli/bitmap_options.h"

enum {
        OPTION_ADD = 256,
        OPTION_REMOVE,
        OPTION_CLEAR,
        OPTION_ENABLE,
        OPTION_DISABLE,
        OPTION_MERGE,
        OPTION_REMOVE_ALL,
        OPTION_OBJECT,
        OPTION_IMAGE_OPTS,
};

static const struct option long_options[] = {
    /* our own: whole words only */
    {ROW_OWNERSHIP},
    {ROW_JOURNAL_DIR},
    {ROW_DISCARD},
    {ROW_MEMORY},
    {ROW_SANDBOX},
    {"remove-all", no_argument, NULL, OPTION_REMOVE_ALL},
#define OWN_OPTIONS 6
    /* the specification's */
    {"add", no_argument, NULL, OPTION_ADD},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {"clear", no_argument, NULL, OPTION_CLEAR},
    {"enable", no_argument, NULL, OPTION_ENABLE},
    {"disable", no_argument, NULL, OPTION_DISABLE},
    {"merge", required_argument, NULL, OPTION_MERGE},
    {"granularity", required_argument, NULL, 'g'},
    {ROW_FORMAT},
    {ROW_OUTPUT},
    {"object", required_argument, NULL, OPTION_OBJECT},
    {"image-opts", no_argument, NULL, OPTION_IMAGE_OPTS},
    {"source-file", required_argument, NULL, 'b'},
    {"source-format", required_argument, NULL, 'F'},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
};

const struct option *bitmap_long_options(void)
{
        return long_options;
}

static void take_action(int option, struct bitmap_options *options)
{
        static const uint32_t actions[] = {ABI_ACTION_ADD, ABI_ACTION_REMOVE,
                                           ABI_ACTION_CLEAR, ABI_ACTION_ENABLE,
                                           ABI_ACTION_DISABLE};

        if (options->metadata_count < ABI_MAX_ACTIONS)
                options->metadata[options->metadata_count] = actions[option - OPTION_ADD];
        options->metadata_count++;
        options->adds |= option == OPTION_ADD;
}

static void take_source(const char *name, struct bitmap_options *options)
{
        if (options->source_count < ABI_MAX_MERGE_SOURCES)
                options->sources[options->source_count] = name;
        options->source_count++;
}

static bool take(int option, const char *argument, void *into, struct option_error *error)
{
        struct bitmap_options *options = into;

        switch (option) {
        case OPTION_POSITIONAL:
                return command_line_positional(argument, &options->filename,
                                               &options->target, error);
        case OPTION_ADD:
        case OPTION_REMOVE:
        case OPTION_CLEAR:
        case OPTION_ENABLE:
        case OPTION_DISABLE:
                take_action(option, options);
                return true;
        case OPTION_MERGE:
                take_source(argument, options);
                return true;
        case OPTION_REMOVE_ALL:
                options->remove_all = true;
                return true;
        case 'g':
                options->granularity = argument;
                return true;
        case 'b':
        case 'F':
                options->cross_file = true;
                return true;
        case OPTION_OBJECT:
                options->object = true;
                return true;
        case OPTION_IMAGE_OPTS:
                options->image_opts = true;
                return true;
        default:
                return common_option_take(option, argument, &options->common, error);
        }
}

/* Are the positional arguments there?  All bitmaps together have no name. */
static bool finish(void *into, struct option_error *error)
{
        const struct bitmap_options *options = into;

        if (options->remove_all && !options->filename)
                return option_reject(error, MESSAGE_NO_FILENAME, "");
        if (options->remove_all && options->target)
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, options->target);
        if (!options->filename)
                return option_reject(error, MESSAGE_NO_POSITIONALS, "");
        if (!options->target && !options->remove_all)
                return option_reject(error, MESSAGE_NO_BITMAP_NAME, options->filename);
        return true;
}

enum parse_result bitmap_parse(int argc, char **argv, struct bitmap_options *options,
                               struct option_error *error)
{
        static const struct command_line line = {"-:g:f:b:F:hV", long_options,
                                                 OWN_OPTIONS, take, finish};

        *options = (struct bitmap_options){0};
        return command_line_parse(&line, argc, argv, options, error);
}
