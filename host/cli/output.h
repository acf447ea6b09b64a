/* SPDX-License-Identifier: MIT */
/*
 * Text of any length to a descriptor, through a buffer of fixed size, which is written
 * when it is full and at the end.  The first write that fails is kept as `error`, and
 * nothing is written after it.
 */
#ifndef INSTAR_HOST_CLI_OUTPUT_H
#define INSTAR_HOST_CLI_OUTPUT_H

#include <stdbool.h>

#include "host/cli/text.h"

struct output {
        int fd;
        int error;  /* an errno; 0: none so far */
        bool begun; /* some of it may have been written; if not, it can be dropped */
        struct text text;
};

/* Begin; `output` is large, and is not cleared. */
void output_start(struct output *output, int fd);

void output_bytes(struct output *output, const char *bytes, size_t length);
void output_string(struct output *output, const char *string);
void output_number(struct output *output, uint64_t number);

/* As text_escaped_bytes(). */
void output_escaped(struct output *output, const void *bytes, size_t length);

/*
 * Room for `length` bytes, at most TEXT_MAX, that the caller fills in place; then
 * output_took() by the end of what it has filled.  Nothing else in between.
 */
char *output_room(struct output *output, size_t length);
void output_took(struct output *output, const char *end);

/* Write what is left.  0, or the errno of the first write that failed. */
int output_finish(struct output *output);

#endif
