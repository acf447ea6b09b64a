/* SPDX-License-Identifier: MIT */
#include "host/cli/bitmap_report.h"

#include "host/cli/edit_words.h"
#include "host/cli/exit_code.h"
#include "host/cli/messages.h"

static const char command[] = "instar bitmap";

/* The specification's envelope, to the byte; and what went, where all went. */
static void append_json(struct text *out, const struct bitmap_options *options,
                        const struct abi_result *result)
{
        text_string(out, "{\n  \"actions-applied\": ");
        text_number(out, result->actions_applied);
        text_string(out, ",\n  \"resulting-bitmaps\": ");
        text_number(out, result->bitmaps);
        if (options->remove_all) {
                text_string(out, ",\n  \"removed-bitmaps\": ");
                text_number(out, result->affected);
        }
        text_string(out, "\n}\n");
}

/* The bitmap that a result speaks of: detail[0] of a missing source counts from 0,
 * detail[3] of a table from 1, with 0 for the target.  The guest's numbers are not
 * trusted. */
static const char *name_in_question(const struct bitmap_options *options,
                                    const struct abi_result *result)
{
        uint64_t source = UINT64_MAX;

        if (result->code == ABI_SOURCE_NOT_FOUND)
                source = result->detail[0];
        else if (result->code == ABI_BAD_TABLE && result->detail[3] > 0)
                source = result->detail[3] - 1;
        if (source < options->source_count && source < ABI_MAX_MERGE_SOURCES)
                return options->sources[source];
        return options->target;
}

static int report_success(const struct bitmap_options *options,
                          const struct edit_words *words,
                          const struct edit_report *report, struct text *out,
                          struct text *err)
{
        /* Every edit applies an action: none means that the guest never told. */
        if (options->common.json && report->result.actions_applied == 0) {
                message_append(err, command, MESSAGE_RESULT_UNKNOWN,
                               &(struct message_values){0});
                return EXIT_REFUSED;
        }
        if (options->common.json)
                append_json(out, options, &report->result);
        edit_words_leftovers(words, report, err);
        return EXIT_DONE;
}

int bitmap_report(const struct bitmap_options *options, const struct edit_report *report,
                  bool debug, struct text *out, struct text *err)
{
        const struct edit_words words = {
            .command = command,
            .path = options->filename,
            .argument = name_in_question(options, &report->result),
            .debug = debug,
        };
        int exit_code = edit_was_done(report)
                            ? report_success(options, &words, report, out, err)
                            : edit_words_failure(&words, report, err);

        edit_words_notes(&words, report, exit_code, err);
        return exit_code;
}
