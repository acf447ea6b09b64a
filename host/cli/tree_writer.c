/* SPDX-License-Identifier: MIT */
#include "host/cli/tree_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void tree_start(struct tree_writer *tree, const struct tree_style *style,
                struct output *output)
{
        tree->style = style;
        tree->output = output;
        tree->depth = 0;
        tree->levels[0] = (struct tree_level){0};
}

static struct tree_level *innermost(struct tree_writer *tree)
{
        return &tree->levels[tree->depth];
}

static void enter(struct tree_writer *tree, const char *key, bool array)
{
        tree->style->open(tree, key, array);
        innermost(tree)->members++;
        tree->depth++;
        *innermost(tree) = (struct tree_level){.array = array};
}

void tree_object(struct tree_writer *tree, const char *key)
{
        enter(tree, key, false);
}

void tree_array(struct tree_writer *tree, const char *key)
{
        enter(tree, key, true);
}

void tree_end(struct tree_writer *tree)
{
        bool array = innermost(tree)->array;

        tree->depth--;
        tree->style->close(tree, array);
}

void tree_bytes(struct tree_writer *tree, const char *key, const void *bytes,
                size_t length)
{
        tree->style->string(tree, key, bytes, length);
        innermost(tree)->members++;
}

void tree_string(struct tree_writer *tree, const char *key, const char *string)
{
        tree_bytes(tree, key, string, strlen(string));
}

static void word(struct tree_writer *tree, const char *key, const char *text)
{
        tree->style->word(tree, key, text);
        innermost(tree)->members++;
}

/* snprintf(3) of a single number allocates nothing. */
void tree_number(struct tree_writer *tree, const char *key, uint64_t number)
{
        char text[24];

        snprintf(text, sizeof text, "%" PRIu64, number);
        word(tree, key, text);
}

void tree_signed(struct tree_writer *tree, const char *key, int64_t number)
{
        char text[24];

        snprintf(text, sizeof text, "%" PRId64, number);
        word(tree, key, text);
}

void tree_real(struct tree_writer *tree, const char *key, double number)
{
        char text[32];

        snprintf(text, sizeof text, "%.17g", number);
        word(tree, key, text);
}

void tree_bool(struct tree_writer *tree, const char *key, bool value)
{
        word(tree, key, value ? "true" : "false");
}

static void json_members(struct tree_writer *tree, json_t *value)
{
        const char *key;
        json_t *member;
        size_t index;

        json_array_foreach(value, index, member)
        {
                tree_json(tree, NULL, member);
        }
        json_object_foreach(value, key, member)
        {
                tree_json(tree, key, member);
        }
}

void tree_json(struct tree_writer *tree, const char *key, json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
        case JSON_ARRAY:
                enter(tree, key, json_is_array(value));
                json_members(tree, value);
                tree_end(tree);
                break;
        case JSON_STRING:
                tree_bytes(tree, key, json_string_value(value),
                           json_string_length(value));
                break;
        case JSON_INTEGER:
                tree_signed(tree, key, json_integer_value(value));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                tree_bool(tree, key, json_is_true(value));
                break;
        default: /* reals and null: nothing of ours has them */
                word(tree, key, "null");
        }
}

void tree_indent(struct output *output, unsigned count)
{
        while (count--)
                output_string(output, "    ");
}
