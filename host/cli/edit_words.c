/* SPDX-License-Identifier: MIT */
#include "host/cli/edit_words.h"

#include <errno.h>
#include <stdlib.h>

#include "host/cli/debug.h"
#include "host/cli/exit_code.h"
#include "host/cli/recovery_exit.h"

static bool is_finished(const struct edit_report *report)
{
        return report->outcome == EDIT_GUEST_RESULT && report->result.code == ABI_OK;
}

bool edit_was_done(const struct edit_report *report)
{
        return is_finished(report) || report->committed;
}

const char *edit_words_journal(const char *journal_path)
{
        return journal_path[0] ? journal_path : "of the image";
}

enum message edit_words_of_outcome(enum edit_outcome outcome, int error,
                                   const char *journal_path)
{
        enum message message = message_of_outcome(outcome, abs(error));

        /* Without a path no place was found: journal_place_choose() says what EPERM
         * means. */
        if (message == MESSAGE_JOURNAL_ERROR && abs(error) == EPERM && !journal_path[0])
                return MESSAGE_JOURNAL_NOT_PRIVATE;
        return message;
}

static struct message_values values_of(const struct edit_words *words,
                                       const struct edit_report *report)
{
        return (struct message_values){
            .path = words->path,
            .argument = words->argument,
            .journal = edit_words_journal(report->journal_path),
            .error = abs(report->error),
            .signal = report->signal,
        };
}

int edit_words_failure(const struct edit_words *words, const struct edit_report *report,
                       struct text *err)
{
        struct message_values values = values_of(words, report);
        enum message message =
            edit_words_of_outcome(report->outcome, report->error, report->journal_path);
        const struct recovery_item *stop = recovery_stop(&report->recovery);

        if (report->outcome == EDIT_RECOVERY_STOPPED && stop)
                message = message_of_recovery(stop, &values);
        if (report->outcome == EDIT_GUEST_RESULT)
                message = message_of_result(&report->result, &values);
        if (message == MESSAGE_IN_USE && words->in_use)
                message = words->in_use;
        message_append(err, words->command, message, &values);
        if (report->outcome == EDIT_RECOVERY_STOPPED && stop)
                return exit_code_of_recovery(stop->state);
        return report->outcome == EDIT_SIGNAL ? EXIT_SIGNAL_BASE + report->signal
                                              : EXIT_REFUSED;
}

void edit_words_leftovers(const struct edit_words *words,
                          const struct edit_report *report, struct text *err)
{
        struct message_values values = values_of(words, report);

        values.detail[0] = report->result.leaked_clusters;
        if (values.detail[0])
                message_append(err, words->command, MESSAGE_WARNING_LEAKED, &values);
        if (report->outcome == EDIT_JOURNAL_KEPT)
                message_append(err, words->command, MESSAGE_WARNING_JOURNAL_KEPT,
                               &values);
        else if (!is_finished(report))
                message_append(err, words->command, MESSAGE_WARNING_UNFINISHED, &values);
}

/* Recovery is silent, but for what the user may miss.  An edit that had been done is not
 * missed, whoever has written since: it is superseded without a reason. */
static enum message warning_of(const struct recovery_item *item,
                               struct message_values *values)
{
        values->journal = item->path;
        values->fault = item->reason;
        if (item->state == RECOVERY_SET_ASIDE) {
                values->argument = item->new_path;
                return MESSAGE_WARNING_SET_ASIDE;
        }
        if (item->state == RECOVERY_SUPERSEDED && item->reason) {
                values->argument = item->asked; /* nobody can look it up any more */
                return MESSAGE_WARNING_SUPERSEDED;
        }
        return MESSAGE_NONE;
}

static void append_recovery(const struct edit_words *words,
                            const struct recovery *recovery, struct text *err)
{
        for (unsigned int i = 0; i < recovery->count; i++) {
                struct message_values values = {0};
                enum message message = warning_of(&recovery->items[i], &values);

                if (message)
                        message_append(err, words->command, message, &values);
        }
}

void edit_words_notes(const struct edit_words *words, const struct edit_report *report,
                      int exit_code, struct text *err)
{
        struct message_values index = {.error = -report->index_error};

        append_recovery(words, &report->recovery, err);
        if (report->index_error && exit_code == EXIT_DONE)
                message_append(err, words->command, MESSAGE_WARNING_INDEX, &index);
        if (words->debug && !is_finished(report))
                debug_append(err, report->outcome, report->result.code, &report->trace);
}
