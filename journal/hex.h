/* SPDX-License-Identifier: MIT */
/* Identifiers as text. */
#ifndef INSTAR_JOURNAL_HEX_H
#define INSTAR_JOURNAL_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 2 * length lower-case hexadecimal digits and a terminating zero. */
static inline void hex_text(const uint8_t *bytes, size_t length, char *text)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < length; i++) {
                text[2 * i] = digits[bytes[i] >> 4];
                text[2 * i + 1] = digits[bytes[i] & 15];
        }
        text[2 * length] = '\0';
}

#endif
