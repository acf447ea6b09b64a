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
        exit_code =
            journal_show(options->path, options->common.json, STDOUT_FILENO, &err);
        text_write(&err, STDERR_FILENO);
        return exit_code;
}

int journal_command(int argc, char **argv)
{
        struct journal_options options;
        struct option_error error;
        enum parse_result asked = journal_parse(argc, argv, &options, &error);

        if (asked != PARSE_RUN)
                return program_answer(command, asked, journal_help, &error);
        return show(&options);
}
