/* SPDX-License-Identifier: MIT */
/*
 * `instar map`: whatever asks the system comes first; then the guest program runs under
 * the sandbox, and what it reports is printed as it comes, in fixed memory.
 *
 * As long as the map fits into the output's buffer, a failure leaves stdout empty.  No
 * signal is caught: there is nothing to put in order.
 */
#include "host/cli/map.h"

#include <string.h>
#include <unistd.h>

#include "host/cli/debug.h"
#include "host/cli/exit_code.h"
#include "host/cli/map_picture.h"
#include "host/cli/map_report.h"
#include "host/cli/open_image.h"
#include "host/cli/program.h"
#include "host/cli/sandbox_option.h"
#include "host/cli/terminal.h"
#include "host/vmm/programs.h"

static const char command[] = "instar map";

/* Large, so not on the stack; one run uses it. */
static struct {
        struct image image;
        struct abi_call call;
        struct map_sink sink;
        struct inspect_report report;
        struct text err;
} map;

static enum message set_bitmap(const char *name)
{
        size_t length = strlen(name);

        if (length == 0 || length > ABI_MAX_NAME)
                return MESSAGE_TARGET_LENGTH;
        memcpy(map.call.target, name, length);
        map.call.target_length = (uint32_t)length;
        return MESSAGE_NONE;
}

/* What fails without a guest; in the order in which it is told. */
static enum message prepare(const struct look_options *options, int *error)
{
        enum image_use use = options->common.force_share ? IMAGE_LOOK_SHARED : IMAGE_LOOK;
        enum message message = set_bitmap(options->bitmap);

        *error = 0;
        if (!message && !is_our_format(options->common.format))
                message = MESSAGE_FORMAT;
        if (!message)
                message = open_image(options->filename, use, &map.image, error);
        return message;
}

static void start_output(const struct look_options *options)
{
        bool utf8 = false;

        if (!options->common.json && isatty(STDOUT_FILENO)) {
                map.call.columns = map_picture_columns(terminal_width(STDOUT_FILENO));
                utf8 = terminal_is_utf8();
        }
        map_sink_start(&map.sink, STDOUT_FILENO,
                       options->common.json ? &map_json : &map_human, map.call.columns,
                       utf8);
}

static int show(const struct look_options *options)
{
        const struct report_sink reports = {map_sink_take, &map.sink};
        bool debug = debug_wanted();

        start_output(options);
        inspect(&map.image, &guest_map_program, &map.call, &reports, &map.report);
        return map_report(options, &map.report, &map.sink, debug, &map.err);
}

/* What is open or allocated is left to the end of the process: under the sandbox nothing
 * can be given back. */
static int run(const struct look_options *options)
{
        struct message_values values = {.path = options->filename,
                                        .argument = options->common.format};
        enum message message = prepare(options, &values.error);
        int exit_code = EXIT_REFUSED;

        text_start(&map.err);
        if (message)
                message_append(&map.err, command, message, &values);
        else
                exit_code = show(options);
        text_write(&map.err, STDERR_FILENO);
        return exit_code;
}

int map_command(int argc, char **argv)
{
        struct look_options options;
        struct option_error error;
        enum parse_result asked = look_parse(LOOK_MAP, argc, argv, &options, &error);

        if (asked == PARSE_RUN)
                asked = sandbox_option_choose(&options.common, &error);
        if (asked != PARSE_RUN)
                return program_answer(command, asked, map_help, &error);
        return run(&options);
}
