/* SPDX-License-Identifier: MIT */
#include "host/cli/edit_command.h"

#include <stdlib.h>

#include "host/cli/environment.h"
#include "host/cli/open_image.h"
#include "host/cli/program.h"
#include "host/cli/quote.h"
#include "host/sandbox/sandbox.h"

static int edit(const struct edit_command *command, struct image *image,
                const char *asked)
{
        const struct common_options *options = command->options;
        struct edit_request request = {
            .image = image,
            .program = command->program,
            .call = command->call,
            .asked = asked,
            .journal_directory =
                environment_journal_directory(options->journal_directory),
            .discard_journal = options->discard_journal,
            .memory_limit =
                options->memory_limit ? options->memory_limit : OPTION_MEMORY_DEFAULT,
        };
        struct edit_report report = {0};
        struct text out;
        struct text err;
        int exit_code;

        text_start(&out);
        text_start(&err);
        edit_run(&request, &report);
        exit_code = command->report(command->context, &report, &out, &err);
        if (!sandbox_armed()) /* under the sandbox even free() may be a system call */
                recovery_release(&report.recovery);
        return program_deliver(command->command, MESSAGE_OUTPUT_FAILED, &out, &err,
                               exit_code);
}

int edit_command_run(const struct edit_command *command, int argc, char **argv)
{
        struct message_values values = {.path = command->filename};
        struct image image;
        enum message message =
            open_image(command->filename, IMAGE_EDIT, &image, &values.error);
        char *asked;
        int exit_code;

        if (message)
                return program_refuse(command->command, message, &values);
        asked = quote_command(argc, argv);
        exit_code =
            asked ? edit(command, &image, asked)
                  : program_refuse(command->command, MESSAGE_OUT_OF_MEMORY, &values);
        /* Freeing a long command line is a system call that the sandbox does not allow;
         * the end of the process does it. */
        if (!sandbox_armed()) {
                free(asked);
                image_close(&image);
        }
        return exit_code;
}
