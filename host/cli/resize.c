/* SPDX-License-Identifier: MIT */
#include "host/cli/resize.h"

#include "host/cli/resize_options.h"
#include "host/cli/resize_report.h"
#include "host/cli/debug.h"
#include "host/cli/edit_command.h"
#include "host/cli/program.h"
#include "host/cli/sandbox_option.h"
#include "host/vmm/programs.h"

static const char command[] = "instar resize";

static int tell(const void *options, const struct edit_report *report, struct text *out,
                struct text *err)
{
        return resize_report(options, report, debug_wanted(), out, err);
}

static int run(const struct resize_options *options, int argc, char **argv)
{
        struct message_values values = {.path = options->filename};
        struct abi_call call;
        enum message message = resize_call(options, &call, &values);
        const struct edit_command edit = {
            .command = command,
            .filename = options->filename,
            .options = &options->common,
            .program = &guest_resize_program,
            .call = &call,
            .report = tell,
            .context = options,
        };

        if (message)
                return program_refuse(command, message, &values);
        return edit_command_run(&edit, argc, argv);
}

int resize_command(int argc, char **argv)
{
        struct resize_options options;
        struct option_error error;
        enum parse_result asked = resize_parse(argc, argv, &options, &error);

        if (asked == PARSE_RUN)
                asked = sandbox_option_choose(&options.common, &error);
        if (asked != PARSE_RUN)
                return program_answer(command, asked, resize_help, &error);
        return run(&options, argc, argv);
}
