/* SPDX-License-Identifier: MIT */
#include "host/cli/check_errors.h"

#include "host/cli/debug.h"
#include "host/cli/edit_words.h"
#include "host/cli/json.h"

/* What goes to stderr, below the image's heading. */
struct lines {
        struct output *output;
        struct check_heading *heading;
};

/* What is being put together: it is large, so there is one. */
static struct text text;

static void put_text(const struct lines *lines)
{
        if (text.length)
                check_heading_tell(lines->heading, lines->output);
        output_bytes(lines->output, text.bytes, text.length);
}

/* A message.  `path`: the image is named in front, and then `more` is said. */
static void put(const struct lines *lines, const char *path, const char *more,
                enum message message, const struct message_values *values)
{
        static struct text command;

        text_start(&command);
        text_string(&command, "instar check");
        if (path) {
                text_string(&command, ": ");
                text_escaped(&command, path);
        }
        text_string(&command, more);
        text_bytes(&command, "", 1);
        text_start(&text);
        message_append(&text, command.bytes, message, values);
        put_text(lines);
}

/* Where the guest's run ended, for INSTAR_DEBUG=1. */
static void put_trace(const struct lines *lines, enum edit_outcome outcome, uint32_t code,
                      const struct run_trace *trace)
{
        text_start(&text);
        if (debug_wanted())
                debug_append(&text, outcome, code, trace);
        put_text(lines);
}

static void put_metadata_error(const struct lines *lines, const char *path,
                               const struct metadata *m)
{
        struct message_values values = {.path = path, .error = m->error};

        (void)message_of_result(&m->result, &values);
        put(lines, NULL, "", m->message, &values);
        if (m->message != MESSAGE_CHECK_FAILED)
                put_trace(lines, m->outcome, m->result.code, &m->trace);
}

static void put_repair(const struct lines *lines, bool dry_run, const json_t *object)
{
        text_start(&text);
        text_string(&text, dry_run ? "would be repaired: " : "repaired: ");
        text_string(&text, json_string_value(json_object_get(object, "what")));
        text_string(&text, "\n");
        put_text(lines);
}

/* One line for each thing that was done, or would be. */
static void put_repairs(const struct lines *lines, const struct check_options *options,
                        const struct repair_result *repair)
{
        json_t *object;
        size_t index;

        if (repair->message || options->common.quiet)
                return;
        json_array_foreach(repair->repairs, index, object)
            put_repair(lines, options->dry_run, object);
        text_start(&text);
        if (repair->not_listed) {
                text_number(&text, repair->not_listed);
                text_string(&text, " more repairs are not listed\n");
        }
        put_text(lines);
}

static struct message_values values_of_repair(const char *path,
                                              const struct repair_result *repair)
{
        struct message_values values = {
            .path = path,
            .error = repair->error,
            .signal = repair->signal,
            .journal = edit_words_journal(repair->journal_path),
        };

        (void)message_of_result(&repair->result, &values);
        return values;
}

static void put_repair_error(const struct lines *lines, const char *path,
                             const struct repair_result *repair)
{
        const struct message_values values = values_of_repair(path, repair);
        const struct message_values index = {.error = repair->index_error};
        const char *more = ": not repaired, nothing changed";

        if (!repair->message || repair->message == MESSAGE_ROLLBACK_FAILED ||
            repair->message == MESSAGE_REPAIR_UNKNOWN)
                more = "";
        if (repair->message || repair->warning) {
                put(lines, path, more,
                    repair->message ? repair->message : repair->warning, &values);
                put_trace(lines, repair->outcome, repair->result.code, &repair->trace);
        }
        if (repair->done && repair->index_error)
                put(lines, path, "", MESSAGE_WARNING_INDEX, &index);
}

void check_errors_put(const struct check_options *options, const char *path,
                      const struct check_result *result, struct check_heading *heading,
                      struct output *err)
{
        const struct recovery_item *stop = recovery_stop(&result->recovery);
        const struct lines lines = {err, heading};
        struct message_values values = {
            .path = path, .argument = options->common.format, .error = result->error};

        put_repairs(&lines, options, &result->repair);
        put_repair_error(&lines, path, &result->repair);
        if (result->message) {
                put(&lines, NULL, "", result->message, &values);
        } else if (result->metadata.message) {
                put_metadata_error(&lines, path, &result->metadata);
        } else if (stop && !result->repair.done) {
                enum message message = message_of_recovery(stop, &values);
                put(&lines, path, "", message, &values);
        }
}

/* ---- for programs ----------------------------------------------------------------- */

/* Why it could not be looked at, the check came to no end, or nothing was repaired. */
static enum message error_of(const struct check_options *options, const char *path,
                             const struct check_result *result,
                             struct message_values *values)
{
        *values = (struct message_values){
            .path = path, .argument = options->common.format, .error = result->error};
        if (result->message)
                return result->message;
        if (result->repair.message) {
                *values = values_of_repair(path, &result->repair);
                return result->repair.message;
        }
        values->error = result->metadata.error;
        (void)message_of_result(&result->metadata.result, values);
        return result->metadata.message;
}

void check_errors_set_json(const struct check_options *options, const char *path,
                           const struct check_result *result, json_t *object)
{
        struct message_values values;
        enum message message = error_of(options, path, result, &values);

        if (!message)
                return;
        text_start(&text);
        message_append_text(&text, message, &values);
        json_object_set_new(object, "instar-error",
                            json_stringn(text.bytes, text.length));
        text_start(&text);
        if (message_append_hint(&text, message, &values))
                json_object_set_new(object, "instar-hint",
                                    json_stringn(text.bytes, text.length));
}
