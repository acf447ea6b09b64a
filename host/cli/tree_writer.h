/* SPDX-License-Identifier: MIT */
/*
 * Objects, arrays and values, written as they come, without any memory but this: as JSON,
 * or as lines for people.  Both layouts are those of qemu-img 7.2, to the byte.
 *
 * Inside an object every member has a key; inside an array the key is not looked at.
 */
#ifndef INSTAR_HOST_CLI_TREE_WRITER_H
#define INSTAR_HOST_CLI_TREE_WRITER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/cli/output.h"

#define TREE_DEPTH_MAX 8u /* nothing of ours is deeper */

struct tree_level {
        bool array;
        uint32_t members; /* so far */
};

struct tree_writer {
        const struct tree_style *style;
        struct output *output;
        unsigned depth;
        struct tree_level levels[TREE_DEPTH_MAX + 1]; /* [0]: outside of all */
};

/* How it looks: what stands before a value, and around what is inside one. */
struct tree_style {
        void (*open)(struct tree_writer *tree, const char *key, bool array);
        void (*close)(struct tree_writer *tree, bool array); /* the level is gone */
        void (*string)(struct tree_writer *tree, const char *key, const void *bytes,
                       size_t length);
        void (*word)(struct tree_writer *tree, const char *key, const char *word);
};

/* As QEMU's JSON writer does it: ASCII only, four blanks a level, U+FFFD for what is no
 * UTF-8 (json_writer.c). */
extern const struct tree_style json_style;

/* "key: value", dashes of a key as blanks, "[0]:" in arrays.  The outermost level is that
 * of an object's members, indented by four blanks (human_writer.c). */
extern const struct tree_style human_style;

/* The same where strings go to a terminal, which no byte of them may steer. */
extern const struct tree_style terminal_style;

void tree_start(struct tree_writer *tree, const struct tree_style *style,
                struct output *output);

void tree_object(struct tree_writer *tree, const char *key);
void tree_array(struct tree_writer *tree, const char *key);
void tree_end(struct tree_writer *tree); /* of the innermost object or array */

void tree_bytes(struct tree_writer *tree, const char *key, const void *bytes,
                size_t length);
void tree_string(struct tree_writer *tree, const char *key, const char *string);
void tree_number(struct tree_writer *tree, const char *key, uint64_t number);
void tree_signed(struct tree_writer *tree, const char *key, int64_t number);
void tree_real(struct tree_writer *tree, const char *key, double number);
void tree_bool(struct tree_writer *tree, const char *key, bool value);

/* A value of jansson's, reals excepted, with all that is in it. */
void tree_json(struct tree_writer *tree, const char *key, json_t *value);

/* For the styles: `count` times four blanks. */
void tree_indent(struct output *output, unsigned count);

#endif
