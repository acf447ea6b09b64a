/* SPDX-License-Identifier: MIT */
/*
 * One object, written piece by piece: jansson makes the values and never sees more than
 * one record, so that memory does not grow with the journal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/journal_view.h"
#include "host/cli/json.h"
#include "journal/hex.h"

/* ---- pieces --------------------------------------------------------------------- */

/* Write a value on one line, and release it. */
static void put(struct output *output, json_t *value)
{
        char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

        if (text)
                output_string(output, text);
        else if (!output->error)
                output->error = ENOMEM;
        free(text);
        json_decref(value);
}

/* A member of the outermost object behind another one. */
static void member(struct output *output, const char *key, json_t *value)
{
        output_string(output, ",\n  \"");
        output_string(output, key);
        output_string(output, "\": ");
        put(output, value);
}

static json_t *number(uint64_t value)
{
        return json_integer((json_int_t)value);
}

/* Left out where it is not known. */
static void time_member(struct output *output, const char *key, uint64_t nanoseconds)
{
        if (nanoseconds)
                member(output, key, json_time(nanoseconds));
}

static void boot_member(struct output *output, const char *key,
                        const uint8_t boot[JOURNAL_BOOT_ID_SIZE])
{
        char text[BOOT_TEXT_SIZE];

        if (boot_text(boot, text))
                member(output, key, json_string(text));
}

/* ---- the head ------------------------------------------------------------------- */

static const char *state_name(enum shown_state state)
{
        static const char *const names[] = {
            [SHOWN_NEVER_BEGUN] = "never-begun", [SHOWN_PENDING] = "pending",
            [SHOWN_RECOVERING] = "recovering",   [SHOWN_DONE] = "done",
            [SHOWN_ABORTED] = "aborted",
        };

        return names[state];
}

static void identity_member(struct output *output,
                            const struct journal_identity *identity)
{
        char hex[2 * JOURNAL_IDENTITY_MAX + 1];

        hex_text(identity->bytes, identity->length, hex);
        member(output, "identity",
               json_pack("{s:s, s:s}", "kind", identity_kind_name(identity->kind),
                         "bytes", hex));
}

static void asked_members(struct output *output, const struct journal_record *record)
{
        if (record->kind != JOURNAL_RECORD_ASKED)
                return;
        if (record->asked.path_length)
                member(output, "image",
                       json_escaped_bytes(record->asked.path, record->asked.path_length));
        member(output, "asked",
               json_escaped_bytes(record->asked.text, record->asked.length));
}

static void header_members(struct output *output, const struct journal_header *header)
{
        char transaction[2 * JOURNAL_ID_SIZE + 1];

        hex_text(header->transaction, JOURNAL_ID_SIZE, transaction);
        member(output, "format-version", number(header->version));
        member(output, "transaction", json_string(transaction));
        identity_member(output, &header->identity);
        member(output, "old-size", number(header->old_size));
        member(output, "final-size", number(header->final_size));
        boot_member(output, "boot-id", header->boot);
        time_member(output, "begun", header->time);
}

static void ending_members(struct output *output, const struct journal_reader *reader)
{
        time_member(output, "last-record", reader->close_time);
        if (reader->recovering) {
                time_member(output, "recovery-begun", reader->ending_time);
                boot_member(output, "recovery-boot-id", reader->recovering_boot);
        } else if (reader->ending) {
                time_member(output, "ended", reader->ending_time);
        }
}

static void head(struct output *output, const struct shown_journal *journal)
{
        output_string(output, "{\n  \"filename\": ");
        put(output, json_escaped_bytes(journal->path, strlen(journal->path)));
        member(output, "state", json_string(state_name(journal->state)));
        if (journal->writer != SHOWN_WRITER_UNKNOWN)
                member(output, "writer-alive",
                       json_boolean(journal->writer == SHOWN_WRITER_ALIVE));
        if (journal->reader->has_header) {
                header_members(output, &journal->reader->header);
                asked_members(output, &journal->asked);
                ending_members(output, journal->reader);
        }
        output_string(output, ",\n  \"batches\": [");
}

/* ---- batches, tail --------------------------------------------------------------- */

static void batch_begin(struct output *output, uint32_t batch)
{
        output_string(output, batch == 1 ? "\n" : ",\n");
        output_string(output, "    {\n      \"number\": ");
        output_number(output, batch);
        output_string(output, ",\n      \"changes\": [");
}

static void change(struct output *output, const struct journal_record *record, bool first)
{
        uint64_t length = (uint64_t)record->change.sectors * JOURNAL_SECTOR;

        output_string(output, first ? "\n        " : ",\n        ");
        put(output,
            json_pack("{s:I, s:I, s:I, s:s, s:b}", "step",
                      (json_int_t)record->change.step, "offset",
                      (json_int_t)record->change.offset, "length", (json_int_t)length,
                      "old", old_content_name(record->change.old), "switch",
                      (int)record->change.is_switch));
}

static void claim(struct output *output, const struct journal_record *record, bool first)
{
        output_string(output, first ? "\n        " : ",\n        ");
        put(output, json_pack("{s:b, s:I, s:I}", "takes", 1, "offset",
                              (json_int_t)record->claim.offset, "length",
                              (json_int_t)record->claim.length));
}

static void batch_end(struct output *output, const struct journal_record *close)
{
        output_string(output, "\n      ]");
        if (close->close.time) {
                output_string(output, ",\n      \"closed\": ");
                put(output, json_time(close->close.time));
        }
        output_string(output, "\n    }");
}

static void tail(struct output *output, const struct shown_journal *journal)
{
        output_string(output, journal->reader->closed_batches ? "\n  ]" : "]");
        member(output, "records", number(journal->reader->records));
        member(output, "extents", number(journal->tally.extents));
        member(output, "bytes", number(journal->tally.bytes));
        output_string(output, "\n}\n");
}

const struct journal_view journal_view_json = {
    .head = head,
    .batch_begin = batch_begin,
    .change = change,
    .claim = claim,
    .batch_end = batch_end,
    .tail = tail,
};
