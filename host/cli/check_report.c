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
        append_string(out, "  because      ", item->reason);
        append_string(out, "  asked        ", item->asked);
        append_string(out, "  begun        ", begun);
        append_string(out, "  transaction  ", item->transaction);
        append_changes(out, item);
        append_string(out, "  journal      ", item->path);
        append_string(out, "  renamed to   ", item->new_path);
}

/* In qemu-img's words. */
static void append_repaired(const struct check_result *result, struct text *out)
{
        if (!result->repair.done)
                return;
        text_string(out,
                    "The following inconsistencies were found and repaired:\n\n    ");
        text_number(out, result->metadata.leaks_fixed);
        text_string(out, " leaked clusters\n    ");
        text_number(out, result->metadata.corruptions_fixed);
        text_string(out, " corruptions\n\nDouble checking the fixed image now...\n");
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
        append_repaired(result, out);
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

/* One line for each thing that was done, or would be. */
static void append_repairs(const struct check_options *options,
                           const struct repair_result *repair, struct text *err)
{
        const char *prefix = options->dry_run ? "would be repaired: " : "repaired: ";
        json_t *object;
        size_t index;

        if (repair->message || options->common.quiet)
                return;
        json_array_foreach(repair->repairs, index, object)
        {
                text_string(err, prefix);
                text_string(err, json_string_value(json_object_get(object, "what")));
                text_string(err, "\n");
        }
}

static void append_repair_error(const char *path, const struct repair_result *repair,
                                struct text *err)
{
        struct message_values values = {.path = path,
                                        .error = repair->error,
                                        .signal = repair->signal,
                                        .journal = repair->journal_path};
        enum message message = repair->message ? repair->message : repair->warning;
        bool undone = repair->message != MESSAGE_ROLLBACK_FAILED;

        if (!message)
                return;
        (void)message_of_result(&repair->result, &values);
        text_string(err, "instar check: ");
        text_escaped(err, path);
        if (repair->message)
                text_string(err, undone ? ": not repaired, nothing changed: " : ": ");
        else
                text_string(err, ": ");
        message_append_text(err, message, &values);
        text_string(err, "\n");
}

void check_report_errors(const struct check_options *options, const char *path,
                         const struct check_result *result, struct text *err)
{
        const struct recovery_item *stop = recovery_stop(&result->recovery);
        struct message_values values = {
            .path = path, .argument = options->common.format, .error = result->error};

        append_repairs(options, &result->repair, err);
        append_repair_error(path, &result->repair, err);
        if (result->message) {
                message_append(err, "instar check", result->message, &values);
        } else if (result->repair.done && !result->metadata.message) {
                return;
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
            .argument = options->common.format,
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

static void set_repairs(const struct check_result *result, json_t *object)
{
        const struct repair_result *repair = &result->repair;

        if (repair->repairs && !repair->message)
                json_object_set(object, "instar-repairs", repair->repairs);
}

json_t *check_report_json(const struct check_options *options, const char *path,
                          const struct check_result *result)
{
        json_t *object = json_object();
        json_t *journals = json_array();

        metadata_set_json(&result->metadata, path, object);
        set_repairs(result, object);
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
