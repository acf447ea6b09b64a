/* SPDX-License-Identifier: MIT */
/*
 * getopt_long(3) in its "return in order" mode ('-' first): positional arguments are
 * options to it, so they may stand anywhere, true order is kept, argv is not
 * shuffled, and POSIXLY_CORRECT changes nothing.
 *
 * Long options may be abbreviated, but only those of the specification: options of our
 * own must be spelled out, so that a new one never makes an old abbreviation ambiguous
 * (--me would be --merge or --memory-limit).
 */
#include <string.h>

#include "host/cli/bitmap_options.h"

enum {
        OPTION_ADD = 256,
        OPTION_REMOVE,
        OPTION_CLEAR,
        OPTION_ENABLE,
        OPTION_DISABLE,
        OPTION_MERGE,
        OPTION_REMOVE_ALL,
        OPTION_OUTPUT,
        OPTION_OBJECT,
        OPTION_IMAGE_OPTS,
        OPTION_NO_OWNERSHIP_SCAN,
        OPTION_JOURNAL_DIRECTORY,
        OPTION_DISCARD_JOURNAL,
        OPTION_MEMORY_LIMIT,
};

static const char short_options[] = "-:g:f:b:F:hV";

static const struct option long_options[] = {
    /* our own: whole words only */
    {"no-ownership-scan", no_argument, NULL, OPTION_NO_OWNERSHIP_SCAN},
    {"journal-dir", required_argument, NULL, OPTION_JOURNAL_DIRECTORY},
    {"discard-journal", no_argument, NULL, OPTION_DISCARD_JOURNAL},
    {"memory-limit", required_argument, NULL, OPTION_MEMORY_LIMIT},
    {"remove-all", no_argument, NULL, OPTION_REMOVE_ALL},
#define OWN_OPTIONS 5
    /* the specification's */
    {"add", no_argument, NULL, OPTION_ADD},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {"clear", no_argument, NULL, OPTION_CLEAR},
    {"enable", no_argument, NULL, OPTION_ENABLE},
    {"disable", no_argument, NULL, OPTION_DISABLE},
    {"merge", required_argument, NULL, OPTION_MERGE},
    {"granularity", required_argument, NULL, 'g'},
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"object", required_argument, NULL, OPTION_OBJECT},
    {"image-opts", no_argument, NULL, OPTION_IMAGE_OPTS},
    {"source-file", required_argument, NULL, 'b'},
    {"source-format", required_argument, NULL, 'F'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

const struct option *bitmap_long_options(void)
{
        return long_options;
}

/* The table for one element of argv: with our own options if it spells one out. */
static const struct option *table_for(const char *element)
{
        const char *name = element && strncmp(element, "--", 2) == 0 ? element + 2 : "";
        size_t length = strcspn(name, "=");

        for (size_t i = 0; i < OWN_OPTIONS; i++)
                if (strlen(long_options[i].name) == length &&
                    memcmp(long_options[i].name, name, length) == 0)
                        return long_options;
        return long_options + OWN_OPTIONS;
}

static bool take_positional(const char *argument, struct bitmap_options *options,
                            struct option_error *error)
{
        if (!options->filename)
                options->filename = argument;
        else if (!options->target)
                options->target = argument;
        else
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
        return true;
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

static bool take_output(const char *format, struct bitmap_options *options,
                        struct option_error *error)
{
        options->json = strcmp(format, "json") == 0;
        if (!options->json && strcmp(format, "human") != 0)
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, format);
        return true;
}

static bool take_journal_directory(const char *path, struct bitmap_options *options,
                                   struct option_error *error)
{
        if (!*path)
                return option_reject(error, MESSAGE_JOURNAL_DIRECTORY, path);
        options->journal_directory = path;
        return true;
}

/* Take one option that getopt knows; false if its argument is rejected. */
static bool take(int option, const char *argument, struct bitmap_options *options,
                 struct option_error *error)
{
        switch (option) {
        case OPTION_POSITIONAL:
                return take_positional(argument, options, error);
        case OPTION_MERGE:
                take_source(argument, options);
                return true;
        case OPTION_REMOVE_ALL:
                options->remove_all = true;
                return true;
        case 'g':
                options->granularity = argument;
                return true;
        case 'f':
                options->format = argument;
                return true;
        case 'b':
        case 'F':
                options->cross_file = true;
                return true;
        case OPTION_OUTPUT:
                return take_output(argument, options, error);
        case OPTION_OBJECT:
                options->object = true;
                return true;
        case OPTION_IMAGE_OPTS:
                options->image_opts = true;
                return true;
        case OPTION_NO_OWNERSHIP_SCAN:
                options->no_ownership_scan = true;
                return true;
        case OPTION_JOURNAL_DIRECTORY:
                return take_journal_directory(argument, options, error);
        case OPTION_DISCARD_JOURNAL:
                options->discard_journal = true;
                return true;
        case OPTION_MEMORY_LIMIT:
                return option_take_memory_limit(argument, &options->memory_limit, error);
        default:
                take_action(option, options);
                return true;
        }
}

/* Are the positional arguments there?  All bitmaps together have no name. */
static bool check_positionals(const struct bitmap_options *options,
                              struct option_error *error)
{
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

/* What stands behind "--", and then all positional arguments. */
static enum bitmap_parse finish(int argc, char **argv, struct bitmap_options *options,
                                struct option_error *error)
{
        for (int i = optind; i < argc; i++)
                if (!take_positional(argv[i], options, error))
                        return BITMAP_REJECTED;
        return check_positionals(options, error) ? BITMAP_RUN : BITMAP_REJECTED;
}

enum bitmap_parse bitmap_parse(int argc, char **argv, struct bitmap_options *options,
                               struct option_error *error)
{
        *options = (struct bitmap_options){.memory_limit = OPTION_MEMORY_DEFAULT};
        *error = (struct option_error){.message = MESSAGE_NONE};
        option_start();
        for (;;) {
                int option = option_next(argc, argv, short_options,
                                         table_for(option_element(argv)), error);

                if (option == -1)
                        return finish(argc, argv, options, error);
                if (option == 'h')
                        return BITMAP_HELP;
                if (option == 'V')
                        return BITMAP_VERSION;
                if (option == OPTION_BAD || !take(option, optarg, options, error))
                        return BITMAP_REJECTED;
        }
}
