/* SPDX-License-Identifier: MIT */
#include "host/cli/tree_writer.h"

#include <string.h>

static void put_key(struct output *output, const char *key)
{
        for (; *key; key++)
                output_bytes(output, *key == '-' ? " " : key, 1);
}

/* What stands before a value: a line of its own for what has members. */
static void begin(struct tree_writer *tree, const char *key, const char *end)
{
        const struct tree_level *level = &tree->levels[tree->depth];

        tree_indent(tree->output, tree->depth + 1);
        if (level->array) {
                output_string(tree->output, "[");
                output_number(tree->output, level->members);
                output_string(tree->output, "]");
        } else {
                put_key(tree->output, key);
        }
        output_string(tree->output, ":");
        output_string(tree->output, end);
}

static void open_level(struct tree_writer *tree, const char *key, bool array)
{
        (void)array;
        begin(tree, key, "\n");
}

static void close_level(struct tree_writer *tree, bool array)
{
        (void)tree;
        (void)array;
}

static void string(struct tree_writer *tree, const char *key, const void *bytes,
                   size_t length)
{
        begin(tree, key, " ");
        output_bytes(tree->output, bytes, length);
        output_string(tree->output, "\n");
}

static void terminal_string(struct tree_writer *tree, const char *key, const void *bytes,
                            size_t length)
{
        begin(tree, key, " ");
        output_escaped(tree->output, bytes, length);
        output_string(tree->output, "\n");
}

static void word(struct tree_writer *tree, const char *key, const char *text)
{
        string(tree, key, text, strlen(text));
}

const struct tree_style human_style = {
    .open = open_level,
    .close = close_level,
    .string = string,
    .word = word,
};

const struct tree_style terminal_style = {
    .open = open_level,
    .close = close_level,
    .string = terminal_string,
    .word = word,
};
