/* SPDX-License-Identifier: MIT */
#include "host/cli/check_report.h"

#include <stdlib.h>

#include "host/cli/journal_item.h"
#include "host/cli/json.h"
#include "host/cli/timestamp.h"

/* ---- for people ---------------------------------------------------------------- */

static void append_string(struct text *out, const char *label, const char *value)
{
        if (!value || !*value)
                return;
        text_string(out, label);
        text_escaped(out, value);
        text_string(out, "\n");
}

static void append_changes(struct text *out, const struct recovery_item *item)
{
        if (!item->extents)
                return;
        text_string(out, "  changes      ");
        text_number(out, item->bytes);
        text_string(out, item->extents == 1 ? " bytes in 1 extent" : " bytes in ");
        if (item->extents != 1) {
                text_number(out, item->extents);
                text_string(out, " extents");
        }
        if (item->final_size != item->old_size) {
                text_string(out, ", size ");
                text_number(out, item->old_size);
                text_string(out, " to ");
                text_number(out, item->final_size);
        }
        text_string(out, "\n");
}

static void append_item(struct text *out, const char *path,
                        const struct recovery_item *item)
{
        char begun[TIMESTAMP_SIZE] = "";

        if (item->begun)
                timestamp(item->begun, begun);
        text_escaped(out, path);
        text_string(out, ": ");
        text_string(out, journal_item_line(item->state));
        text_string(out, "\n");
        append_string(out, "  asked        ", item->asked);
        append_string(out, "  begun        ", begun);
        append_string(out, "  transaction  ", item->transaction);
        append_changes(out, item);
        append_string(out, "  journal      ", item->path);
        append_string(out, "  renamed to   ", item->new_path);
}

void check_report_human(const char *path, const struct check_result *result,
                        struct text *out)
{
        const struct recovery *recovery = &result->recovery;

        if (result->message)
                return;
        for (unsigned int i = 0; i < recovery->count; i++)
                if (journal_item_line(recovery->items[i].state))
                        append_item(out, path, &recovery->items[i]);
        metadata_append_human(&result->metadata, out);
}

void check_report_unreachable(const char *path, const char *journal, struct text *out)
{
        text_escaped(out, path);
        text_string(out,
                    ": an edit may have been interrupted, but its undo journal cannot "
                    "be reached: is its file system mounted?\n");
        append_string(out, "  journal      ", journal);
}

/* ---- what failed ---------------------------------------------------------------- */

static void append_metadata_error(struct text *err, const char *path,
                                  const struct metadata *metadata)
{
        struct message_values values = {.path = path, .error = metadata->error};

        (void)message_of_result(&metadata->result, &values);
        message_append(err, "instar check", metadata->message, &values);
}

void check_report_errors(const struct check_options *options, const char *path,
                         const struct check_result *result, struct text *err)
{
        const struct recovery_item *stop = recovery_stop(&result->recovery);
        struct message_values values = {
            .path = path, .argument = options->format, .error = result->error};

        if (result->message) {
                message_append(err, "instar check", result->message, &values);
        } else if (result->metadata.message) {
                append_metadata_error(err, path, &result->metadata);
        } else if (stop) {
                struct text *command = malloc(sizeof *command);
                enum message message = message_of_recovery(stop, &values);

                if (!command)
                        return;
                text_start(command);
                text_string(command, "instar check: ");
                text_escaped(command, path);
                text_bytes(command, "", 1);
                message_append(err, command->bytes, message, &values);
                free(command);
        }
}

/* ---- for programs ----------------------------------------------------------------- */

/* A key without a value is left out. */
static void set(json_t *object, const char *key, json_t *value)
{
        if (value)
                json_object_set_new(object, key, value);
}

/* Why it could not be looked at, or the check came to no end. */
static json_t *error_json(const struct check_options *options, const char *path,
                          const struct check_result *result)
{
        struct text *text = malloc(sizeof *text);
        enum message message =
            result->message ? result->message : result->metadata.message;
        struct message_values values = {
            .path = path,
            .argument = options->format,
            .error = result->message ? result->error : result->metadata.error,
        };
        json_t *value;

        if (!text || !message) {
                free(text);
                return NULL;
        }
        (void)message_of_result(&result->metadata.result, &values);
        text_start(text);
        message_append_text(text, message, &values);
        value = json_stringn(text->bytes, text->length);
        free(text);
        return value;
}

json_t *check_report_json(const struct check_options *options, const char *path,
                          const struct check_result *result)
{
        json_t *object = json_object();
        json_t *journals = json_array();

        metadata_set_json(&result->metadata, path, object);
        set(object, "instar-error", error_json(options, path, result));
        for (unsigned int i = 0; i < result->recovery.count; i++)
                json_array_append_new(journals,
                                      journal_item_json(&result->recovery.items[i]));
        if (json_array_size(journals))
                json_object_set(object, "instar-journals", journals);
        json_decref(journals);
        return object;
}

json_t *check_report_orphan_json(const char *path, const char *journal, const char *state)
{
        json_t *object = json_object();
        json_t *item = json_object();
        json_t *journals = json_array();

        set(item, "journal", json_escaped(journal));
        set(item, "state", json_string(state));
        json_array_append_new(journals, item);
        set(object, "filename", path ? json_escaped(path) : json_null());
        set(object, "instar-journals", journals);
        return object;
}
