/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "host/cli/journal_view.h"
#include "host/cli/timestamp.h"
#include "journal/hex.h"

/* ---- lines of the head -------------------------------------------------------- */

/* Where the values begin. */
#define LABEL_WIDTH 14u

static void label(struct output *output, const char *name)
{
        output_string(output, name);
        output_bytes(output, "              ", LABEL_WIDTH - strlen(name));
}

static void line(struct output *output, const char *name, const char *value)
{
        label(output, name);
        output_string(output, value);
        output_string(output, "\n");
}

static void escaped_line(struct output *output, const char *name, const void *bytes,
                         size_t length)
{
        label(output, name);
        output_escaped(output, bytes, length);
        output_string(output, "\n");
}

static void time_line(struct output *output, const char *name, uint64_t nanoseconds)
{
        char text[TIMESTAMP_SIZE] = "not known";

        if (nanoseconds)
                timestamp(nanoseconds, text);
        line(output, name, text);
}

static void boot_line(struct output *output, const char *name,
                      const uint8_t boot[JOURNAL_BOOT_ID_SIZE])
{
        char text[BOOT_TEXT_SIZE];

        line(output, name, boot_text(boot, text) ? text : "not known");
}

static void identity_line(struct output *output, const struct journal_identity *identity)
{
        char hex[2 * JOURNAL_IDENTITY_MAX + 1];

        hex_text(identity->bytes, identity->length, hex);
        label(output, "identity");
        output_string(output, identity_kind_name(identity->kind));
        output_string(output, " ");
        output_string(output, hex);
        output_string(output, "\n");
}

static void size_line(struct output *output, const struct journal_header *header)
{
        label(output, "size");
        output_number(output, header->old_size);
        output_string(output, " -> ");
        output_number(output, header->final_size);
        output_string(output, "\n");
}

/* ---- the head ------------------------------------------------------------------- */

static const char *state_words(const struct shown_journal *journal)
{
        static const char *const words[] = {
            [SHOWN_NEVER_BEGUN] = "never begun (no closed batch)",
            [SHOWN_PENDING] = "pending",
            [SHOWN_RECOVERING] = "pending, with a recovery begun",
            [SHOWN_DONE] = "done",
            [SHOWN_ABORTED] = "aborted (undone)",
        };

        if (!journal->reader->has_header)
                return "never begun (the file holds no transaction)";
        return words[journal->state];
}

static void writer_line(struct output *output, enum shown_writer writer)
{
        if (writer == SHOWN_WRITER_ALIVE)
                line(output, "writer", "a living process holds the lock");
        else if (writer == SHOWN_WRITER_GONE)
                line(output, "writer", "none");
}

static void asked_lines(struct output *output, const struct journal_record *record)
{
        if (record->kind != JOURNAL_RECORD_ASKED)
                return;
        if (record->asked.path_length)
                escaped_line(output, "image", record->asked.path,
                             record->asked.path_length);
        else
                line(output, "image", "not known");
        escaped_line(output, "asked", record->asked.text, record->asked.length);
}

static void head(struct output *output, const struct shown_journal *journal)
{
        const struct journal_reader *reader = journal->reader;
        char transaction[2 * JOURNAL_ID_SIZE + 1];

        escaped_line(output, "journal", journal->path, strlen(journal->path));
        line(output, "state", state_words(journal));
        writer_line(output, journal->writer);
        if (!reader->has_header)
                return;
        hex_text(reader->header.transaction, JOURNAL_ID_SIZE, transaction);
        label(output, "format");
        output_number(output, reader->header.version);
        output_string(output, "\n");
        line(output, "transaction", transaction);
        asked_lines(output, &journal->asked);
        identity_line(output, &reader->header.identity);
        size_line(output, &reader->header);
        boot_line(output, "boot", reader->header.boot);
        time_line(output, "begun", reader->header.time);
        if (reader->closed_batches)
                time_line(output, "last record", reader->close_time);
        if (reader->recovering) {
                time_line(output, "recovery", reader->ending_time);
                boot_line(output, "of the boot", reader->recovering_boot);
        } else if (reader->ending) {
                time_line(output, "ended", reader->ending_time);
        }
}

/* ---- batches, tail --------------------------------------------------------------- */

static void batch_begin(struct output *output, uint32_t number)
{
        output_string(output, "batch ");
        output_number(output, number);
        output_string(output, "\n");
}

static void change(struct output *output, const struct journal_record *record, bool first)
{
        (void)first;
        output_string(output, "  step ");
        output_number(output, record->change.step);
        output_string(output, "  offset ");
        output_number(output, record->change.offset);
        output_string(output, "  length ");
        output_number(output, (uint64_t)record->change.sectors * JOURNAL_SECTOR);
        output_string(output, "  old ");
        output_string(output, old_content_name(record->change.old));
        output_string(output, record->change.is_switch ? "  switch\n" : "\n");
}

static void claim(struct output *output, const struct journal_record *record, bool first)
{
        (void)first;
        output_string(output, "  takes   offset ");
        output_number(output, record->claim.offset);
        output_string(output, "  length ");
        output_number(output, record->claim.length);
        output_string(output, "\n");
}

static void batch_end(struct output *output, const struct journal_record *close)
{
        time_line(output, "  closed", close->close.time);
}

static void count(struct output *output, uint64_t number, const char *one,
                  const char *many)
{
        output_number(output, number);
        output_string(output, number == 1 ? one : many);
}

static void tail(struct output *output, const struct shown_journal *journal)
{
        count(output, journal->reader->closed_batches, " batch, ", " batches, ");
        count(output, journal->reader->records, " record, ", " records, ");
        count(output, journal->tally.extents, " extent, ", " extents, ");
        count(output, journal->tally.bytes, " byte\n", " bytes\n");
}

const struct journal_view journal_view_human = {
    .head = head,
    .batch_begin = batch_begin,
    .change = change,
    .claim = claim,
    .batch_end = batch_end,
    .tail = tail,
};
