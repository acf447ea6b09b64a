/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_UTF8_H
#define INSTAR_HOST_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID UINT32_MAX

/*
 * Decode one character of `left` bytes, at least one; how many bytes it takes.  Where
 * they begin with none, *character is UTF8_INVALID, and what is taken is the first byte
 * with as many of the continuation bytes that it announces as there are: QEMU prints one
 * U+FFFD for them, and so must we.
 *
 * As in QEMU, noncharacters (U+FFFE, ...) are invalid, and the two bytes c0 80 are
 * U+0000.
 */
size_t utf8_decode(const void *bytes, size_t left, uint32_t *character);

/* Would a C string in UTF-8 give these bytes back?  All of them are valid, and no
 * U+0000 is among them. */
bool utf8_is_text(const void *bytes, size_t length);

#endif
