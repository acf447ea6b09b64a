/* SPDX-License-Identifier: MIT */
#include "host/cli/check_report.h"

#include "host/cli/check_errors.h"
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

/* ---- for programs ----------------------------------------------------------------- */

/* A key without a value is left out. */
static void set(json_t *object, const char *key, json_t *value)
{
        if (value)
                json_object_set_new(object, key, value);
}

static void set_repairs(const struct check_result *result, json_t *object)
{
        const struct repair_result *repair = &result->repair;

        if (!repair->repairs || repair->message)
                return;
        json_object_set(object, "instar-repairs", repair->repairs);
        if (repair->not_listed)
                set(object, "instar-repairs-not-listed",
                    json_integer((json_int_t)repair->not_listed));
}

json_t *check_report_json(const struct check_options *options, const char *path,
                          const struct check_result *result)
{
        json_t *object = json_object();
        json_t *journals = json_array();

        metadata_set_json(&result->metadata, path, object);
        set_repairs(result, object);
        check_errors_set_json(options, path, result, object);
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

        set(item, "journal", json_plain(journal));
        set(item, "state", json_string(state));
        json_array_append_new(journals, item);
        set(object, "filename", path ? json_plain(path) : json_null());
        set(object, "instar-journals", journals);
        return object;
}
