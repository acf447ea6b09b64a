/* SPDX-License-Identifier: MIT */
/*
 * Text for the terminal, put together in fixed memory and written by one write(2).
 *
 * No stdio: once the system-call filter is armed nothing may allocate, and starting stdio
 * costs a short run more than all its text.
 */
#ifndef INSTAR_HOST_CLI_TEXT_H
#define INSTAR_HOST_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Enough for every message, three paths of TEXT_ARGUMENT_MAX bytes, and for what a
 * journal says was asked, 16 KiB; all escaped, four bytes for one. */
#define TEXT_MAX (72u << 10)

/* Of an argument, at most so many bytes are shown, then "...". */
#define TEXT_ARGUMENT_MAX 4096u

struct text {
        size_t length;
        char bytes[TEXT_MAX];
};

/* Empty the text.  Clearing all of it instead would touch pages for nothing. */
static inline void text_start(struct text *text)
{
        text->length = 0;
}

/* Append; what does not fit is left out. */
void text_bytes(struct text *text, const char *bytes, size_t length);
void text_string(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);
void text_hex(struct text *text, uint64_t number);

/*
 * Append words that come from the command line or a path, so that no byte of
 * them can steer a terminal: control bytes, invalid UTF-8, backslashes and the
 * invisible or direction-changing characters of Unicode become \xNN.
 */
void text_escaped(struct text *text, const char *string);

/* The same for any bytes, a NUL too, and without a limit of their number. */
void text_escaped_bytes(struct text *text, const void *bytes, size_t length);

/* The same for the first character of `left` bytes; how many it took.  At most
 * TEXT_CHARACTER_MAX bytes are appended. */
#define TEXT_CHARACTER_MAX 24u
size_t text_escaped_character(struct text *text, const void *bytes, size_t left);

/* Write all of it to a descriptor.  0 or an errno. */
int text_write(const struct text *text, int fd);

#endif
