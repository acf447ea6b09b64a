/* SPDX-License-Identifier: MIT */
/*
 * Putting values into a row's text.  A small expander of our own rather than printf: the
 * texts come from a table, so a compiler could not check their conversions, and every
 * value that the command line gave has to be escaped on the way.
 */
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "host/cli/messages.h"

static void append_error(struct text *text, int error)
{
        const char *description = strerrordesc_np(error);

        text_string(text, error && description ? description : "unknown error");
}

static void append_signal(struct text *text, int number)
{
        const char *name = sigabbrev_np(number);

        text_string(text, name ? "SIG" : "a signal");
        text_string(text, name ? name : "");
}

static void append_clusters(struct text *text, uint64_t count)
{
        text_number(text, count);
        text_string(text, count == 1 ? " cluster was" : " clusters were");
}

static bool is_word(const char *word, size_t length, const char *name)
{
        return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* {hexN} and {numberN}. */
static bool append_detail(struct text *text, const char *word, size_t length,
                          const struct message_values *values)
{
        unsigned index = (unsigned)(word[length - 1] - '0');

        if (index >= sizeof values->detail / sizeof values->detail[0])
                return false;
        if (is_word(word, length - 1, "hex"))
                text_hex(text, values->detail[index]);
        else if (is_word(word, length - 1, "number"))
                text_number(text, values->detail[index]);
        else
                return false;
        return true;
}

static const char *string_of(const char *word, size_t length,
                             const struct message_values *values)
{
        const struct {
                const char *name;
                const char *value;
        } strings[] = {
            {"path", values->path},       {"argument", values->argument},
            {"journal", values->journal}, {"fault", values->fault},
            {"finding", values->finding}, {"candidates", values->candidates},
        };

        for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
                if (is_word(word, length, strings[i].name))
                        return strings[i].value ? strings[i].value : "";
        return NULL;
}

static void append_value(struct text *text, const char *word, size_t length,
                         const struct message_values *values)
{
        const char *string = string_of(word, length, values);

        if (string)
                text_escaped(text, string);
        else if (is_word(word, length, "error"))
                append_error(text, values->error);
        else if (is_word(word, length, "signal"))
                append_signal(text, values->signal);
        else if (is_word(word, length, "clusters"))
                append_clusters(text, values->detail[0]);
        else if (!append_detail(text, word, length, values))
                text_bytes(text, word - 1,
                           length + 2); /* braces stay: a test sees them */
}

static void expand(struct text *text, const char *row,
                   const struct message_values *values)
{
        while (*row) {
                size_t plain = strcspn(row, "{");

                text_bytes(text, row, plain);
                row += plain;
                if (*row) {
                        size_t length = strcspn(row + 1, "}");
                        append_value(text, row + 1, length, values);
                        row += length + 2;
                }
        }
}

void message_append_text(struct text *text, enum message message,
                         const struct message_values *values)
{
        expand(text, message_row(message)->text, values);
}

bool message_append_hint(struct text *text, enum message message,
                         const struct message_values *values)
{
        const struct message_row *row = message_row(message);

        if (row->hint)
                expand(text, row->hint, values);
        return row->hint;
}

void message_append(struct text *text, const char *command, enum message message,
                    const struct message_values *values)
{
        text_string(text, command);
        text_string(text, ": ");
        message_append_text(text, message, values);
        text_string(text, "\n");
        if (!message_row(message)->hint)
                return;
        text_string(text, "hint: ");
        (void)message_append_hint(text, message, values);
        text_string(text, "\n");
}
