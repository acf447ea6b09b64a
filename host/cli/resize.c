/* SPDX-License-Identifier: MIT */
/*
 * `instar resize`: parse, refuse, open, lock, look at the magic, edit, report.
 *
 * Whatever happens, stdout gets either the whole envelope of --output json or nothing,
 * and the first line on stderr is the message.
 */
#include <stdlib.h>
#include <unistd.h>

#include "host/cli/resize.h"
#include "host/cli/resize_options.h"
#include "host/cli/resize_report.h"
#include "host/cli/debug.h"
#include "host/cli/environment.h"
#include "host/cli/exit_code.h"
#include "host/cli/open_image.h"
#include "host/cli/program.h"
#include "host/cli/quote.h"
#include "host/sandbox/sandbox.h"
#include "host/vmm/programs.h"

static const char command[] = "instar resize";

/* One message on stderr. */
static int refuse(enum message message, const struct message_values *values)
{
        struct text err;

        text_start(&err);
        message_append(&err, command, message, values);
        text_write(&err, STDERR_FILENO);
        return EXIT_REFUSED;
}

/* Write both texts.  A full disk behind stdout is an error even after the edit. */
static int deliver(const struct text *out, const struct text *err, int exit_code)
{
        struct message_values values = {.error = text_write(out, STDOUT_FILENO)};

        if (values.error)
                exit_code = refuse(MESSAGE_OUTPUT_FAILED, &values);
        text_write(err, STDERR_FILENO);
        return exit_code;
}

static int edit(const struct resize_options *options, const struct abi_call *call,
                struct image *image, const char *asked)
{
        struct edit_request request = {
            .image = image,
            .program = &guest_resize_program,
            .call = call,
            .asked = asked,
            .journal_directory =
                environment_journal_directory(options->journal_directory),
            .discard_journal = options->discard_journal,
            .memory_limit = options->memory_limit,
        };
        struct edit_report report = {0};
        struct text out;
        struct text err;
        bool debug = debug_wanted();
        int exit_code;

        text_start(&out);
        text_start(&err);
        edit_run(&request, &report);
        exit_code = resize_report(options, &report, debug, &out, &err);
        if (!sandbox_armed()) /* under the sandbox even free() may be a system call */
                recovery_release(&report.recovery);
        return deliver(&out, &err, exit_code);
}

static int run(const struct resize_options *options, int argc, char **argv)
{
        struct message_values values = {.path = options->filename};
        struct abi_call call;
        struct image image;
        char *asked;
        enum message message = resize_call(options, &call, &values);
        int exit_code;

        if (message)
                return refuse(message, &values);
        message = open_image(options->filename, IMAGE_EDIT, &image, &values.error);
        if (message)
                return refuse(message, &values);
        asked = quote_command(argc, argv);
        exit_code = asked ? edit(options, &call, &image, asked)
                          : refuse(MESSAGE_OUT_OF_MEMORY, &values);
        /* Freeing a long command line is a system call that the sandbox does not allow;
         * the end of the process does it. */
        if (!sandbox_armed()) {
                free(asked);
                image_close(&image);
        }
        return exit_code;
}

int resize_command(int argc, char **argv)
{
        struct resize_options options;
        struct option_error error;

        switch (resize_parse(argc, argv, &options, &error)) {
        case RESIZE_HELP:
                return program_print(command, resize_help);
        case RESIZE_VERSION:
                return program_print(command, "instar resize " INSTAR_VERSION "\n");
        case RESIZE_REJECTED:
                return program_reject(command, &error);
        case RESIZE_RUN:
                break;
        }
        return run(&options, argc, argv);
}
