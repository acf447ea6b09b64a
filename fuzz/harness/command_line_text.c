/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/command_line_text.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/command_line_world.h"
#include "host/cli/digits.h"
#include "host/cli/exit_code.h"
#include "host/cli/json.h"
#include "host/cli/text.h"

#define world command_line_world

/* ---- characters
 * ------------------------------------------------------------------------ */

/* The bytes of the UTF-8 sequence there (RFC 3629), or 0; its value. */
static size_t sequence(const uint8_t *at, size_t left, uint32_t *value)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t length = 1;

        while (length < 5 && at[0] & 0x80 && at[0] & (0x80u >> length))
                length++;
        if (length > 4 || length > left || (at[0] & 0xc0) == 0x80)
                return 0;
        *value = length == 1 ? at[0] : at[0] & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
                if ((at[i] & 0xc0) != 0x80)
                        return 0;
                *value = *value << 6 | (at[i] & 0x3f);
        }
        return *value < least[length] || *value > 0x10ffff ||
                       (*value >= 0xd800 && *value < 0xe000)
                   ? 0
                   : length;
}

/* Controls, and what is invisible or turns the direction round. */
static bool shows(uint32_t character)
{
        static const uint32_t hidden[][2] = {{0, 0x1f},        {0x7f, 0x9f},
                                             {0x200b, 0x200f}, {0x2028, 0x202e},
                                             {0x2060, 0x206f}, {0xfeff, 0xfeff}};

        for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
                if (character >= hidden[i][0] && character <= hidden[i][1])
                        return false;
        return true;
}

bool command_line_is_clean(const char *bytes, size_t length)
{
        const uint8_t *at = (const uint8_t *)bytes;
        uint32_t character;

        while (length) {
                size_t taken = sequence(at, length, &character);

                if (!taken || (character != '\n' && !shows(character)))
                        return false;
                at += taken;
                length -= taken;
        }
        return true;
}

/* ---- escapes
 * ---------------------------------------------------------------------------- */

static int digit(char c)
{
        const char *digits = "0123456789abcdef";
        const char *found = c ? strchr(digits, c) : NULL;

        return found ? (int)(found - digits) : -1;
}

/* The text is the word with some bytes as \xNN, and no other backslash. */
static bool reads_back(const struct text *text, const char *word, size_t length)
{
        size_t at = 0;
        size_t i = 0;

        for (; at < text->length && i < length; i++) {
                const char *c = text->bytes + at;

                if (*c != '\\') {
                        at++;
                } else if (text->length - at < 4 || c[1] != 'x' || digit(c[2]) < 0 ||
                           digit(c[3]) < 0) {
                        return false;
                } else {
                        at += 4;
                }
                if ((*c == '\\' ? (char)(digit(c[2]) << 4 | digit(c[3])) : *c) != word[i])
                        return false;
        }
        return at == text->length && i == length;
}

void command_line_judge_json(const char *word)
{
        size_t length = strlen(word);
        json_t *object = json_object();
        char *printed;

        json_object_set_new(object, "word", json_plain(word));
        if (length <= ABI_MAX_NAME)
                json_set_bitmap(object, word, length);
        printed = json_text(object);
        MUST(printed && command_line_is_clean(printed, strlen(printed)));
        free(printed);
        json_decref(object);
}

static void judge_digits(const char *word, size_t length)
{
        char expected[24];
        char room[DIGITS_ROOM];
        uint64_t number = 0;

        memcpy(&number, word, length < sizeof number ? length : sizeof number);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)number);
        MUST((size_t)(digits_decimal(room, number) - room) == strlen(expected) &&
             memcmp(room, expected, strlen(expected)) == 0);
        snprintf(expected, sizeof expected, "%llx", (unsigned long long)number);
        MUST((size_t)(digits_hex(room, number) - room) == strlen(expected) &&
             memcmp(room, expected, strlen(expected)) == 0);
}

void command_line_judge_escaped(const char *word)
{
        static struct text text;
        size_t length = strlen(word);

        text_start(&text);
        text_escaped(&text, word);
        MUST(command_line_is_clean(text.bytes, text.length));
        MUST(length > TEXT_ARGUMENT_MAX || reads_back(&text, word, length));
        judge_digits(word, length);
}

/* ---- messages
 * --------------------------------------------------------------------------- */

static bool begins(const char *line, size_t length, const char *with)
{
        return length >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* Of several images: whose messages follow. */
static bool is_heading(const char *line, size_t length, const char *end)
{
        const char *next = line + length + 1;

        return length && line[length - 1] == ':' &&
               begins(next, (size_t)(end - next), "instar check: ");
}

/* A message, its hint, or where help is. */
static bool is_line_of_ours(const char *line, size_t length, size_t number)
{
        if (begins(line, length, "instar: ") || begins(line, length, "instar bitmap: ") ||
            begins(line, length, "instar info: ") ||
            begins(line, length, "instar map: ") ||
            begins(line, length, "instar check: ") ||
            begins(line, length, "instar resize: ") ||
            begins(line, length, "instar journal: "))
                return true;
        return number &&
               (begins(line, length, "hint: ") || begins(line, length, "Try 'instar"));
}

static size_t judge_lines(void)
{
        const char *at = world.err.bytes;
        const char *end = at + world.err.length;
        size_t lines = 0;

        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));

                MUST(newline);
                MUST(is_line_of_ours(at, (size_t)(newline - at), lines) ||
                     is_heading(at, (size_t)(newline - at), end));
                at = newline + 1;
                lines++;
        }
        return lines;
}

void command_line_judge_output(int exit_code, bool named)
{
        /* --version -v is a table of ours. */
        MUST(begins(world.out.bytes, world.out.length, "instar ") ||
             command_line_is_clean(world.out.bytes, world.out.length));
        MUST(command_line_is_clean(world.err.bytes, world.err.length));
        MUST(exit_code == EXIT_DONE || exit_code == EXIT_REFUSED ||
             exit_code == EXIT_NO_CHECK || exit_code == EXIT_COMMAND_LINE);
        MUST((exit_code == EXIT_DONE) == !world.err.length);
        MUST(exit_code != EXIT_COMMAND_LINE || !world.out.length);
        if (named) /* else the usage is told */
                MUST(judge_lines() <= 3 || exit_code != EXIT_COMMAND_LINE);
}
