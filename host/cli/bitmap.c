/* SPDX-License-Identifier: MIT */
#include "host/cli/bitmap.h"

#include "host/cli/bitmap_options.h"
#include "host/cli/bitmap_refuse.h"
#include "host/cli/bitmap_report.h"
#include "host/cli/debug.h"
#include "host/cli/edit_command.h"
#include "host/cli/program.h"
#include "host/cli/sandbox_option.h"
#include "host/vmm/programs.h"

static const char command[] = "instar bitmap";

static int tell(const void *options, const struct edit_report *report, struct text *out,
                struct text *err)
{
        return bitmap_report(options, report, debug_wanted(), out, err);
}

static int run(const struct bitmap_options *options, int argc, char **argv)
{
        struct message_values values = {.path = options->filename};
        struct abi_call call;
        enum message message = bitmap_refuse(options, &call, &values);
        const struct edit_command edit = {
            .command = command,
            .filename = options->filename,
            .options = &options->common,
            .program = &guest_bitmap_program,
            .call = &call,
            .report = tell,
            .context = options,
        };

        if (message)
                return program_refuse(command, message, &values);
        return edit_command_run(&edit, argc, argv);
}

int bitmap_command(int argc, char **argv)
{
        struct bitmap_options options;
        struct option_error error;
        enum parse_result asked = bitmap_parse(argc, argv, &options, &error);

        if (asked == PARSE_RUN)
                asked = sandbox_option_choose(&options.common, &error);
        if (asked != PARSE_RUN)
                return program_answer(command, asked, bitmap_help, &error);
        return run(&options, argc, argv);
}
