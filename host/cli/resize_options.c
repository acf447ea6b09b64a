/* SPDX-License-Identifier: MIT */
#include "host/cli/resize_options.h"

#include <string.h>

#include "host/cli/open_image.h"
#include "host/cli/size.h"

enum {
        OPTION_SHRINK = 256,
};

static const struct option long_options[] = {
    {ROW_SANDBOX}, /* the whole word only: --s is --shrink */
    {"shrink", no_argument, NULL, OPTION_SHRINK},
    {ROW_FORMAT},
    {ROW_OUTPUT},
    {ROW_QUIET},
    {ROW_OWNERSHIP},
    {ROW_JOURNAL_DIR},
    {ROW_DISCARD},
    {ROW_MEMORY},
    {ROW_HELP},
    {ROW_VERSION},
    {ROW_END},
};

const struct option *resize_long_options(void)
{
        return long_options;
}

static bool take(int option, const char *argument, void *into, struct option_error *error)
{
        struct resize_options *options = into;

        switch (option) {
        case OPTION_POSITIONAL:
                return command_line_positional(argument, &options->filename,
                                               &options->size, error);
        case OPTION_SHRINK:
                options->shrink = true;
                return true;
        default:
                return common_option_take(option, argument, &options->common, error);
        }
}

static bool finish(void *into, struct option_error *error)
{
        struct resize_options *options = into;

        if (options->less && options->size)
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, options->less);
        if (options->less)
                options->size = options->less;
        if (!options->filename)
                return option_reject(error, MESSAGE_NO_FILENAME, "");
        if (!options->size)
                return option_reject(error, MESSAGE_NO_SIZE, options->filename);
        return true;
}

/* -10G at the end is a size, as qemu-img has it, and no option. */
static bool is_negative_size(const char *argument)
{
        return argument[0] == '-' && argument[1] >= '0' && argument[1] <= '9';
}

enum parse_result resize_parse(int argc, char **argv, struct resize_options *options,
                               struct option_error *error)
{
        static const struct command_line line = {"-:f:qhV", long_options, 1, take,
                                                 finish};

        *options = (struct resize_options){0};
        if (argc > 1 && is_negative_size(argv[argc - 1]))
                options->less = argv[--argc];
        return command_line_parse(&line, argc, argv, options, error);
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
        values->argument = options->common.format;
        if (!is_our_format(options->common.format))
                return MESSAGE_FORMAT;
        call->flags =
            (options->shrink ? ABI_CALL_SHRINK : 0) |
            (options->common.no_ownership_scan ? ABI_CALL_NO_OWNERSHIP_SCAN : 0);
        return MESSAGE_NONE;
}
