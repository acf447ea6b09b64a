/* SPDX-License-Identifier: MIT */
/*
 * QEMU's layout is peculiar in one thing: an empty object or array takes two lines.  Its
 * escapes keep the output in ASCII, so that no name can steer a terminal.
 */
#include "host/cli/tree_writer.h"
#include "host/cli/utf8.h"

#define REPLACEMENT_CHARACTER UINT32_C(0xfffd)

/* ---- strings -------------------------------------------------------------------- */

static void put_unit(struct output *output, uint32_t unit)
{
        static const char digits[] = "0123456789ABCDEF";
        const char escape[] = {'\\',
                               'u',
                               digits[unit >> 12 & 15],
                               digits[unit >> 8 & 15],
                               digits[unit >> 4 & 15],
                               digits[unit & 15]};

        output_bytes(output, escape, sizeof escape);
}

/* Beyond the basic plane it takes two UTF-16 units. */
static void put_escaped(struct output *output, uint32_t character)
{
        if (character > 0xffff) {
                put_unit(output, 0xd800 + ((character - 0x10000) >> 10));
                put_unit(output, 0xdc00 + ((character - 0x10000) & 0x3ff));
        } else {
                put_unit(output, character);
        }
}

static const char *short_escape(uint32_t character)
{
        switch (character) {
        case '"':
                return "\\\"";
        case '\\':
                return "\\\\";
        case '\b':
                return "\\b";
        case '\f':
                return "\\f";
        case '\n':
                return "\\n";
        case '\r':
                return "\\r";
        case '\t':
                return "\\t";
        default:
                return NULL;
        }
}

static void put_character(struct output *output, uint32_t character)
{
        const char *escape = short_escape(character);
        const char plain = (char)character;

        if (escape)
                output_string(output, escape);
        else if (character == UTF8_INVALID)
                put_escaped(output, REPLACEMENT_CHARACTER);
        else if (character < 0x20 || character >= 0x7f)
                put_escaped(output, character);
        else
                output_bytes(output, &plain, 1);
}

static void put_string(struct output *output, const void *bytes, size_t length)
{
        const char *at = bytes;

        output_string(output, "\"");
        while (length) {
                uint32_t character;
                size_t part = utf8_decode(at, length, &character);

                put_character(output, character);
                at += part;
                length -= part;
        }
        output_string(output, "\"");
}

/* ---- the layout ------------------------------------------------------------------- */

static void new_line(struct tree_writer *tree)
{
        output_string(tree->output, "\n");
        tree_indent(tree->output, tree->depth);
}

/* What stands before a value. */
static void begin(struct tree_writer *tree, const char *key)
{
        const struct tree_level *level = &tree->levels[tree->depth];

        if (level->members)
                output_string(tree->output, ",");
        if (tree->depth)
                new_line(tree);
        if (tree->depth && !level->array) {
                output_string(tree->output, "\"");
                output_string(tree->output, key); /* ours: nothing to escape */
                output_string(tree->output, "\": ");
        }
}

static void open_level(struct tree_writer *tree, const char *key, bool array)
{
        begin(tree, key);
        output_string(tree->output, array ? "[" : "{");
}

static void close_level(struct tree_writer *tree, bool array)
{
        new_line(tree);
        output_string(tree->output, array ? "]" : "}");
}

static void string(struct tree_writer *tree, const char *key, const void *bytes,
                   size_t length)
{
        begin(tree, key);
        put_string(tree->output, bytes, length);
}

static void word(struct tree_writer *tree, const char *key, const char *text)
{
        begin(tree, key);
        output_string(tree->output, text);
}

const struct tree_style json_style = {
    .open = open_level,
    .close = close_level,
    .string = string,
    .word = word,
};
