/* SPDX-License-Identifier: MIT */
/* JSON on top of jansson: strings that may hold any bytes, and writing it out. */
#ifndef INSTAR_HOST_CLI_JSON_H
#define INSTAR_HOST_CLI_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* A string as it is, with U+FFFD for what is not UTF-8, as QEMU prints it; what could
 * steer a terminal is escaped when it is written.  NULL without memory, or for NULL. */
json_t *json_plain(const char *string);

/* Any bytes, a NUL too, at most 16 KiB; what is not plain UTF-8 text is escaped as
 * text_escaped() does it. */
json_t *json_escaped_bytes(const void *bytes, size_t length);

/*
 * Set the members that name a bitmap: "bitmap" as QEMU would print it, up to a NUL and
 * with U+FFFD for what is not UTF-8, and where that does not give its bytes back,
 * "instar-name-bytes", which are hexadecimal.  At most ABI_MAX_NAME bytes.
 */
void json_set_bitmap(json_t *object, const void *name, size_t length);

/* "2026-11-25T18:23:31Z" of nanoseconds since the epoch; NULL for 0. */
json_t *json_time(uint64_t nanoseconds);

/* The value and a newline as text: malloc'ed; NULL without memory. */
char *json_text(const json_t *value);

/* Write the value and a newline.  0 or an errno. */
int json_write(const json_t *value, int fd);

#endif
