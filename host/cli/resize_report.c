/* SPDX-License-Identifier: MIT */
#include "host/cli/resize_report.h"

#include "host/cli/edit_words.h"
#include "host/cli/exit_code.h"

static const char command[] = "instar resize";

static void append_json(struct text *out, const struct abi_result *result)
{
        text_string(out, "{\n  \"old-size\": ");
        text_number(out, result->detail[0]);
        text_string(out, ",\n  \"new-size\": ");
        text_number(out, result->detail[1]);
        text_string(out, "\n}\n");
}

/* Two codes whose texts speak of bitmaps. */
static enum message message_of_our_own(const struct edit_report *report)
{
        if (report->outcome != EDIT_GUEST_RESULT)
                return MESSAGE_NONE;
        switch (report->result.code) {
        case ABI_TOO_LARGE:
                return MESSAGE_RESIZE_TOO_LARGE;
        case ABI_NO_SPACE:
                return MESSAGE_RESIZE_NO_SPACE;
        default:
                return MESSAGE_NONE;
        }
}

static int report_failure(const struct edit_words *words,
                          const struct edit_report *report, struct text *err)
{
        const struct message_values none = {0};
        enum message message = message_of_our_own(report);

        if (!message)
                return edit_words_failure(words, report, err);
        message_append(err, command, message, &none);
        return EXIT_REFUSED;
}

static int report_success(const struct resize_options *options,
                          const struct edit_words *words,
                          const struct edit_report *report, struct text *out,
                          struct text *err)
{
        const struct message_values none = {0};

        /* The guest tells what it did where it comes to its end. */
        if (options->common.json && !report->result.actions_applied) {
                message_append(err, command, MESSAGE_RESULT_UNKNOWN, &none);
                return EXIT_REFUSED;
        }
        if (options->common.json)
                append_json(out, &report->result);
        else if (!options->common.quiet)
                text_string(out, "Image resized.\n");
        edit_words_leftovers(words, report, err);
        return EXIT_DONE;
}

int resize_report(const struct resize_options *options, const struct edit_report *report,
                  bool debug, struct text *out, struct text *err)
{
        const struct edit_words words = {
            .command = command,
            .path = options->filename,
            .debug = debug,
        };
        int exit_code = edit_was_done(report)
                            ? report_success(options, &words, report, out, err)
                            : report_failure(&words, report, err);

        edit_words_notes(&words, report, exit_code, err);
        return exit_code;
}
