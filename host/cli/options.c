/* SPDX-License-Identifier: MIT */
/*
 * getopt_long(3) returns the same '?' for an unknown option, an ambiguous abbreviation
 * and an argument that an option does not take, and would print its own words about it.
 * One clear line of ours needs the difference, so it is worked out again here from the
 * element of argv that getopt was looking at.
 */
#include <stdbool.h>
#include <string.h>

#include "host/cli/options.h"

static void set(struct option_error *error, enum message message, const char *argument)
{
        error->message = message;
        error->argument = argument;
}

/* Collect the options that `name`, `length` bytes of it, abbreviates; their number. */
static unsigned find_candidates(const char *name, size_t length,
                                const struct option *options, struct option_error *error)
{
        char *to = error->candidates;
        unsigned found = 0;

        for (; options->name; options++) {
                size_t room = sizeof error->candidates - (size_t)(to - error->candidates);

                if (strncmp(options->name, name, length) != 0 ||
                    strlen(options->name) + sizeof ", --" > room)
                        continue;
                to = stpcpy(to, found++ ? ", --" : "--");
                to = stpcpy(to, options->name);
        }
        return found;
}

static void diagnose_long(const char *element, const struct option *options,
                          struct option_error *error)
{
        const char *name = element + 2;
        size_t length = strcspn(name, "=");

        /* Zero here means that getopt knew no single option. */
        if (optopt)
                set(error, MESSAGE_OPTION_TAKES_NO_ARGUMENT, element);
        else if (find_candidates(name, length, options, error) > 1)
                set(error, MESSAGE_OPTION_AMBIGUOUS, element);
        else
                set(error, MESSAGE_OPTION_UNKNOWN, element);
}

void option_diagnose(int got, const char *element, const struct option *options,
                     struct option_error *error)
{
        bool is_long = strncmp(element, "--", 2) == 0;

        if (is_long && got == ':') {
                set(error, MESSAGE_OPTION_NEEDS_ARGUMENT, element);
        } else if (is_long) {
                diagnose_long(element, options, error);
        } else {
                memcpy(error->option, (char[]){'-', (char)optopt, '\0'}, 3);
                set(error,
                    got == ':' ? MESSAGE_OPTION_NEEDS_ARGUMENT : MESSAGE_OPTION_UNKNOWN,
                    error->option);
        }
}

bool option_reject(struct option_error *error, enum message message, const char *argument)
{
        set(error, message, argument);
        return false;
}

void option_start(void)
{
        opterr = 0;
        optind = 0; /* start anew; getopt begins at argv[1] */
}

/* Within a cluster of short options, optind still names its element. */
const char *option_element(char **argv)
{
        return argv[optind ? optind : 1];
}

int option_next(int argc, char **argv, const char *short_options,
                const struct option *options, struct option_error *error)
{
        const char *element = option_element(argv);
        int option = getopt_long(argc, argv, short_options, options, NULL);

        if (option != '?' && option != ':')
                return option;
        option_diagnose(option, element, options, error);
        return OPTION_BAD;
}
