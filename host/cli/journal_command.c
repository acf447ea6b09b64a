/* SPDX-License-Identifier: MIT */
#include "host/cli/journal_command.h"

#include <unistd.h>

#include "host/cli/journal_options.h"
#include "host/cli/journal_show.h"
#include "host/cli/program.h"

static const char command[] = "instar journal";

static int show(const struct journal_options *options)
{
        struct text err;
        int exit_code;

        text_start(&err);
        exit_code = journal_show(options->path, options->json, STDOUT_FILENO, &err);
        text_write(&err, STDERR_FILENO);
        return exit_code;
}

int journal_command(int argc, char **argv)
{
        struct journal_options options;
        struct option_error error;

        switch (journal_parse(argc, argv, &options, &error)) {
        case JOURNAL_PARSE_HELP:
                return program_print(command, journal_help);
        case JOURNAL_PARSE_VERSION:
                return program_print(command, "instar journal " INSTAR_VERSION "\n");
        case JOURNAL_PARSE_REJECTED:
                return program_reject(command, &error);
        case JOURNAL_PARSE_SHOW:
                break;
        }
        return show(&options);
}
