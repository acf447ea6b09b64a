/* SPDX-License-Identifier: MIT */
/*
 * getopt_long(3) in its "return in order" mode ('-' first): positional arguments are
 * options to it, so they may stand anywhere, true order is kept, argv is not shuffled,
 * and POSIXLY_CORRECT changes nothing.
 */
#include "host/cli/command_line.h"

#include <string.h>

/* The table for one element of argv: with the whole words if it spells one out. */
static const struct option *table_for(const struct command_line *line,
                                      const char *element)
{
        const char *name = element && strncmp(element, "--", 2) == 0 ? element + 2 : "";
        size_t length = strcspn(name, "=");

        for (size_t i = 0; i < line->whole_words; i++)
                if (strlen(line->options[i].name) == length &&
                    memcmp(line->options[i].name, name, length) == 0)
                        return line->options;
        return line->options + line->whole_words;
}

/* What stands behind "--", and then all of it. */
static enum parse_result finish(const struct command_line *line, int argc, char **argv,
                                void *into, struct option_error *error)
{
        for (int i = optind; i < argc; i++)
                if (!line->take(OPTION_POSITIONAL, argv[i], into, error))
                        return PARSE_REJECTED;
        return line->finish(into, error) ? PARSE_RUN : PARSE_REJECTED;
}

enum parse_result command_line_parse(const struct command_line *line, int argc,
                                     char **argv, void *into, struct option_error *error)
{
        *error = (struct option_error){.message = MESSAGE_NONE};
        option_start();
        for (;;) {
                int option = option_next(argc, argv, line->short_options,
                                         table_for(line, option_element(argv)), error);

                if (option == -1)
                        return finish(line, argc, argv, into, error);
                if (option == 'h')
                        return PARSE_HELP;
                if (option == 'V')
                        return PARSE_VERSION;
                if (option == OPTION_BAD || !line->take(option, optarg, into, error))
                        return PARSE_REJECTED;
        }
}

bool command_line_positional(const char *argument, const char **first,
                             const char **second, struct option_error *error)
{
        if (!*first)
                *first = argument;
        else if (second && !*second)
                *second = argument;
        else
                return option_reject(error, MESSAGE_EXTRA_POSITIONAL, argument);
        return true;
}
