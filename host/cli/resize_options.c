/* SPDX-License-Identifier: MIT */
/* getopt_long(3) in its "return in order" mode: see bitmap_options.c. */
#include "host/cli/resize_options.h"

#include <string.h>

#include "host/cli/open_image.h"
#include "host/cli/size.h"

enum {
        OPTION_SHRINK = 256,
        OPTION_OUTPUT,
        OPTION_NO_OWNERSHIP_SCAN,
        OPTION_JOURNAL_DIRECTORY,
        OPTION_DISCARD_JOURNAL,
        OPTION_MEMORY_LIMIT,
};

static const char short_options[] = "-:f:qhV";

static const struct option long_options[] = {
    {"shrink", no_argument, NULL, OPTION_SHRINK},
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"quiet", no_argument, NULL, 'q'},
    {"no-ownership-scan", no_argument, NULL, OPTION_NO_OWNERSHIP_SCAN},
    {"journal-dir", required_argument, NULL, OPTION_JOURNAL_DIRECTORY},
    {"discard-journal", no_argument, NULL, OPTION_DISCARD_JOURNAL},
    {"memory-limit", required_argument, NULL, OPTION_MEMORY_LIMIT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

const struct option *resize_long_options(void)
{
        return long_options;
}

static bool take_positional(const char *argument, struct resize_options *options,
                            struct option_error *error)
{
        if (!options->filename)
                options->filename = argument;
        else if (!options->size)
                options->size = argument;
        else
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
        return true;
}

static bool take_output(const char *format, struct resize_options *options,
                        struct option_error *error)
{
        options->json = strcmp(format, "json") == 0;
        if (!options->json && strcmp(format, "human") != 0)
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, format);
        return true;
}

static bool take_journal_directory(const char *path, struct resize_options *options,
                                   struct option_error *error)
{
        if (!*path)
                return option_reject(error, MESSAGE_JOURNAL_DIRECTORY, path);
        options->journal_directory = path;
        return true;
}

/* Take one option that getopt knows; false if its argument is rejected. */
static bool take(int option, const char *argument, struct resize_options *options,
                 struct option_error *error)
{
        switch (option) {
        case OPTION_POSITIONAL:
                return take_positional(argument, options, error);
        case 'f':
                options->format = argument;
                return true;
        case OPTION_OUTPUT:
                return take_output(argument, options, error);
        case OPTION_JOURNAL_DIRECTORY:
                return take_journal_directory(argument, options, error);
        case OPTION_MEMORY_LIMIT:
                return option_take_memory_limit(argument, &options->memory_limit, error);
        case OPTION_SHRINK:
                options->shrink = true;
                return true;
        case OPTION_NO_OWNERSHIP_SCAN:
                options->no_ownership_scan = true;
                return true;
        case OPTION_DISCARD_JOURNAL:
                options->discard_journal = true;
                return true;
        default: /* 'q' */
                options->quiet = true;
                return true;
        }
}

/* What stands behind "--", and whether both positional arguments are there. */
static enum resize_parse finish(int argc, char **argv, struct resize_options *options,
                                struct option_error *error)
{
        for (int i = optind; i < argc; i++)
                if (!take_positional(argv[i], options, error))
                        return RESIZE_REJECTED;
        if (!options->filename)
                option_reject(error, MESSAGE_NO_FILENAME, "");
        else if (!options->size)
                option_reject(error, MESSAGE_NO_SIZE, options->filename);
        else
                return RESIZE_RUN;
        return RESIZE_REJECTED;
}

/* -10G at the end is a size, as qemu-img has it, and no option. */
static bool is_negative_size(const char *argument)
{
        return argument[0] == '-' && argument[1] >= '0' && argument[1] <= '9';
}

enum resize_parse resize_parse(int argc, char **argv, struct resize_options *options,
                               struct option_error *error)
{
        const char *last = NULL;

        *options = (struct resize_options){.memory_limit = OPTION_MEMORY_DEFAULT};
        *error = (struct option_error){.message = MESSAGE_NONE};
        if (argc > 1 && is_negative_size(argv[argc - 1]))
                last = argv[--argc];
        option_start();
        for (;;) {
                int option = option_next(argc, argv, short_options, long_options, error);

                if (option == -1)
                        break;
                if (option == 'h')
                        return RESIZE_HELP;
                if (option == 'V')
                        return RESIZE_VERSION;
                if (option == OPTION_BAD || !take(option, optarg, options, error))
                        return RESIZE_REJECTED;
        }
        if (last && options->size) {
                option_reject(error, MESSAGE_EXTRA_POSITIONAL, last);
                return RESIZE_REJECTED;
        }
        options->size = last ? last : options->size;
        return finish(argc, argv, options, error);
}

/* The sign, and what is left of the text. */
static const char *take_sign(const char *text, uint32_t *mode)
{
        *mode = ABI_SIZE_ABSOLUTE;
        if (*text == '+')
                *mode = ABI_SIZE_MORE;
        else if (*text == '-')
                *mode = ABI_SIZE_LESS;
        return *mode == ABI_SIZE_ABSOLUTE ? text : text + 1;
}

enum message resize_call(const struct resize_options *options, struct abi_call *call,
                         struct message_values *values)
{
        memset(call, 0, sizeof *call);
        values->argument = options->size;
        if (!size_parse_fraction(take_sign(options->size, &call->size_mode), &call->size))
                return MESSAGE_SIZE;
        values->argument = options->format;
        if (!is_our_format(options->format))
                return MESSAGE_FORMAT;
        call->flags = (options->shrink ? ABI_CALL_SHRINK : 0) |
                      (options->no_ownership_scan ? ABI_CALL_NO_OWNERSHIP_SCAN : 0);
        return MESSAGE_NONE;
}
