/* SPDX-License-Identifier: MIT */
/*
 * `instar info`: whatever asks the system comes first; then the guest program runs under
 * the sandbox, and what it reports is printed as it comes.
 *
 * Nothing is printed before the guest has described the image; where it cannot, stdout
 * stays empty, and the first line on stderr is the message.
 */
#include "host/cli/info.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cli/debug.h"
#include "host/cli/exit_code.h"
#include "host/cli/info_journals.h"
#include "host/cli/info_sink.h"
#include "host/cli/local_time.h"
#include "host/cli/look_options.h"
#include "host/cli/open_image.h"
#include "host/cli/program.h"
#include "host/cli/sandbox_option.h"
#include "host/vmm/inspect.h"
#include "host/vmm/programs.h"
#include "host/vmm/signals.h"

static const char command[] = "instar info";

/* Large, so not on the stack; one run uses it. */
static struct {
        const struct look_options *options;
        struct image image;
        struct info info;
        struct info_journals journals;
        struct info_sink sink;
        struct inspect_report report;
        struct text err;
} look;

/* ---- what went wrong ----------------------------------------------------------------
 */

static void complain(enum message message, const struct message_values *values)
{
        message_append(&look.err, command, message, values);
}

static void complain_of_error(enum message message, int error)
{
        const struct message_values values = {
            .path = look.options->filename,
            .argument = look.options->common.format,
            .error = abs(error),
            .signal = signals_caught(),
        };

        complain(message, &values);
}

/* Of a guest that has not described the image. */
static void complain_of_run(void)
{
        const struct inspect_report *report = &look.report;
        struct message_values values = {.path = look.options->filename};
        enum message message = message_of_outcome(report->outcome, abs(report->error));

        if (message) {
                complain_of_error(message, report->error);
                return;
        }
        message = message_of_result(&report->result, &values);
        complain(message ? message : MESSAGE_PROTOCOL, &values);
}

static void warn(void)
{
        if (look.journals.search_error)
                complain_of_error(MESSAGE_WARNING_JOURNAL_SEARCH,
                                  look.journals.search_error);
        if (look.journals.index_error)
                complain_of_error(MESSAGE_WARNING_INDEX_READ, look.journals.index_error);
}

/* ---- the run --------------------------------------------------------------------------
 */

static bool refuse(enum message message, int error)
{
        complain_of_error(message, error);
        return false;
}

/* All that asks the system.  False if it failed. */
static bool prepare(const struct look_options *options)
{
        enum image_use use = options->common.force_share ? IMAGE_LOOK_SHARED : IMAGE_LOOK;
        struct stat status;
        int error;
        enum message message;

        if (!is_our_format(options->common.format))
                return refuse(MESSAGE_FORMAT, 0);
        message = open_image(options->filename, use, &look.image, &error);
        if (message)
                return refuse(message, error);
        if (fstat(look.image.fd, &status) != 0)
                return refuse(MESSAGE_OPEN_FAILED, errno);
        look.info.filename = options->filename;
        look.info.actual_size = (uint64_t)status.st_blocks * 512;
        look.info.terminal = !options->common.json && isatty(STDOUT_FILENO);
        if (!options->common.json)
                local_time_prepare();
        if (!info_journals_look(&look.journals, &look.image, options->common.json))
                return refuse(MESSAGE_OUT_OF_MEMORY, 0);
        look.info.journals = &look.journals.found;
        look.info.pending = look.journals.pending;
        output_start(&look.info.output, STDOUT_FILENO);
        return true;
}

static void run_guest(const struct look_options *options)
{
        static struct abi_call call;
        const struct info_view *view =
            options->common.json ? &info_view_json : &info_view_human;
        const struct report_sink reports = {info_sink_take, &look.sink};

        if (options->count)
                call.flags |= ABI_CALL_COUNT;
        info_sink_start(&look.sink, view, &look.info);
        inspect(&look.image, &guest_info_program, &call, &reports, &look.report);
}

/* The image was described: print what is left.  False if that failed. */
static bool finish(void)
{
        int error;

        look.sink.view->tail(&look.info);
        error = output_finish(&look.info.output);
        return error ? refuse(MESSAGE_PRINT_FAILED, error) : true;
}

static bool describe(const struct look_options *options)
{
        const struct inspect_report *report = &look.report;

        run_guest(options);
        if (report->outcome == EDIT_GUEST_RESULT && report->result.code == ABI_OK &&
            look.sink.last)
                return finish();
        complain_of_run();
        if (debug_wanted())
                debug_append(&look.err, report->outcome, report->result.code,
                             &report->trace);
        return false;
}

/* What is open or allocated is left to the end of the process: under the sandbox nothing
 * can be given back. */
static int run(const struct look_options *options)
{
        bool done;

        look.options = options;
        text_start(&look.err);
        done = prepare(options) && describe(options);
        warn();
        text_write(&look.err, STDERR_FILENO);
        return done ? EXIT_DONE : EXIT_REFUSED;
}

int info_command(int argc, char **argv)
{
        struct look_options options;
        struct option_error error;
        enum parse_result asked = look_parse(LOOK_INFO, argc, argv, &options, &error);

        if (asked == PARSE_RUN)
                asked = sandbox_option_choose(&options.common, &error);
        if (asked != PARSE_RUN)
                return program_answer(command, asked, info_help, &error);
        return run(&options);
}
