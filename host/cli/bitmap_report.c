/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "host/cli/bitmap_report.h"
#include "host/cli/debug.h"
#include "host/cli/exit_code.h"
#include "host/cli/recovery_exit.h"

static const char command[] = "instar bitmap";

/* The specification's envelope, to the byte. */
static void append_json(struct text *out, const struct abi_result *result)
{
        text_string(out, "{\n  \"actions-applied\": ");
        text_number(out, result->actions_applied);
        text_string(out, ",\n  \"resulting-bitmaps\": ");
        text_number(out, result->bitmaps);
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

static struct message_values values_of(const struct bitmap_options *options,
                                       const struct edit_report *report)
{
        return (struct message_values){
            .path = options->filename,
            .argument = name_in_question(options, &report->result),
            .journal = report->journal_path[0] ? report->journal_path : "of the image",
            .error = abs(report->error),
            .signal = report->signal,
        };
}

static int report_failure(const struct bitmap_options *options,
                          const struct edit_report *report, struct text *err)
{
        struct message_values values = values_of(options, report);
        enum message message = message_of_outcome(report->outcome, values.error);

        const struct recovery_item *stop = recovery_stop(&report->recovery);

        if (report->outcome == EDIT_RECOVERY_STOPPED && stop)
                message = message_of_recovery(stop, &values);
        if (report->outcome == EDIT_GUEST_RESULT)
                message = message_of_result(&report->result, &values);
        /* Without a path no place was found: journal_place_choose() says what EPERM
         * means. */
        if (message == MESSAGE_JOURNAL_ERROR && values.error == EPERM &&
            !report->journal_path[0])
                message = MESSAGE_JOURNAL_NOT_PRIVATE;
        message_append(err, command, message, &values);
        if (report->outcome == EDIT_RECOVERY_STOPPED && stop)
                return exit_code_of_recovery(stop->state);
        return report->outcome == EDIT_SIGNAL ? EXIT_SIGNAL_BASE + report->signal
                                              : EXIT_REFUSED;
}

static int report_success(const struct bitmap_options *options,
                          const struct edit_report *report, bool finished,
                          struct text *out, struct text *err)
{
        struct message_values values = values_of(options, report);

        /* Every edit applies an action: none means that the guest never told. */
        if (options->json && report->result.actions_applied == 0) {
                message_append(err, command, MESSAGE_RESULT_UNKNOWN, &values);
                return EXIT_REFUSED;
        }
        if (options->json)
                append_json(out, &report->result);
        values.detail[0] = report->result.leaked_clusters;
        if (values.detail[0])
                message_append(err, command, MESSAGE_WARNING_LEAKED, &values);
        if (report->outcome == EDIT_JOURNAL_KEPT)
                message_append(err, command, MESSAGE_WARNING_JOURNAL_KEPT, &values);
        else if (!finished)
                message_append(err, command, MESSAGE_WARNING_UNFINISHED, &values);
        return EXIT_DONE;
}

/* Recovery is silent, but for what the user may miss. */
static void append_set_aside(const struct edit_report *report, struct text *err)
{
        for (unsigned int i = 0; i < report->recovery.count; i++) {
                const struct recovery_item *item = &report->recovery.items[i];
                const struct message_values values = {.journal = item->path,
                                                      .argument = item->new_path};

                if (item->state == RECOVERY_SET_ASIDE)
                        message_append(err, command, MESSAGE_WARNING_SET_ASIDE, &values);
        }
}

int bitmap_report(const struct bitmap_options *options, const struct edit_report *report,
                  bool debug, struct text *out, struct text *err)
{
        bool finished =
            report->outcome == EDIT_GUEST_RESULT && report->result.code == ABI_OK;
        struct message_values index = {.error = -report->index_error};
        int exit_code;

        if (finished || report->committed)
                exit_code = report_success(options, report, finished, out, err);
        else
                exit_code = report_failure(options, report, err);
        append_set_aside(report, err);
        if (report->index_error && exit_code == EXIT_DONE)
                message_append(err, command, MESSAGE_WARNING_INDEX, &index);
        if (debug && !finished)
                debug_append(err, report->outcome, report->result.code, &report->trace);
        return exit_code;
}
