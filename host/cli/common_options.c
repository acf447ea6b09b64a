/* SPDX-License-Identifier: MIT */
#include "host/cli/common_options.h"

#include <string.h>

#include "guest/rt/checked.h"
#include "host/cli/sandbox_option.h"
#include "host/cli/size.h"

static bool take_output(const char *format, bool *json, struct option_error *error)
{
        *json = strcmp(format, "json") == 0;
        if (!*json && strcmp(format, "human") != 0)
                return option_reject(error, MESSAGE_OUTPUT_FORMAT, format);
        return true;
}

static bool take_journal_directory(const char *path, const char **directory,
                                   struct option_error *error)
{
        if (!*path)
                return option_reject(error, MESSAGE_JOURNAL_DIRECTORY, path);
        *directory = path;
        return true;
}

static bool take_memory_limit(const char *argument, uint64_t *limit,
                              struct option_error *error)
{
        uint64_t asked = 0;

        if (!size_parse(argument, &asked) || asked < OPTION_MEMORY_LEAST ||
            asked > OPTION_MEMORY_MOST ||
            !checked_round_up(asked, OPTION_MEMORY_UNIT, limit))
                return option_reject(error, MESSAGE_MEMORY_LIMIT, argument);
        return true;
}

bool common_option_take(int option, const char *argument, struct common_options *options,
                        struct option_error *error)
{
        switch (option) {
        case 'f':
                options->format = argument;
                return true;
        case 'q':
                options->quiet = true;
                return true;
        case 'U':
                options->force_share = true;
                return true;
        case OPTION_NO_OWNERSHIP_SCAN:
                options->no_ownership_scan = true;
                return true;
        case OPTION_DISCARD_JOURNAL:
                options->discard_journal = true;
                return true;
        case OPTION_JOURNAL_DIRECTORY:
                return take_journal_directory(argument, &options->journal_directory,
                                              error);
        case OPTION_MEMORY_LIMIT:
                return take_memory_limit(argument, &options->memory_limit, error);
        case OPTION_SANDBOX:
                return sandbox_option_take(argument, options, error);
        default: /* OPTION_OUTPUT */
                return take_output(argument, &options->json, error);
        }
}
