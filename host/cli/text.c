/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/digits.h"
#include "host/cli/text.h"
#include "host/cli/utf8.h"

void text_bytes(struct text *text, const char *bytes, size_t length)
{
        size_t room = sizeof text->bytes - text->length;

        if (length > room)
                length = room;
        memcpy(text->bytes + text->length, bytes, length);
        text->length += length;
}

void text_string(struct text *text, const char *string)
{
        text_bytes(text, string, strlen(string));
}

void text_number(struct text *text, uint64_t number)
{
        char digits[DIGITS_ROOM];

        text_bytes(text, digits, (size_t)(digits_decimal(digits, number) - digits));
}

void text_hex(struct text *text, uint64_t number)
{
        char digits[DIGITS_ROOM];

        text_string(text, "0x");
        text_bytes(text, digits, (size_t)(digits_hex(digits, number) - digits));
}

/* What is no UTF-8, controls C0 and C1, the backslash that the escapes begin with, and
 * characters that are invisible or turn the direction of the text round. */
static bool must_be_escaped(uint32_t character)
{
        return character == UTF8_INVALID || character < 0x20 ||
               (character >= 0x7f && character <= 0x9f) || character == '\\' ||
               (character >= 0x200b && character <= 0x200f) ||
               (character >= 0x2028 && character <= 0x202e) ||
               (character >= 0x2060 && character <= 0x206f) || character == 0xfeff;
}

static void append_escapes(struct text *text, const unsigned char *bytes, size_t length)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < length; i++) {
                char escape[] = {'\\', 'x', digits[bytes[i] >> 4], digits[bytes[i] & 15]};
                text_bytes(text, escape, sizeof escape);
        }
}

size_t text_escaped_character(struct text *text, const void *bytes, size_t left)
{
        uint32_t character;
        size_t length = utf8_decode(bytes, left, &character);

        if (must_be_escaped(character))
                append_escapes(text, bytes, length);
        else
                text_bytes(text, bytes, length);
        return length;
}

void text_escaped(struct text *text, const char *string)
{
        size_t length = strlen(string);
        size_t at = 0;

        while (at < length && at < TEXT_ARGUMENT_MAX)
                at += text_escaped_character(text, string + at, length - at);
        if (at < length)
                text_string(text, "...");
}

void text_escaped_bytes(struct text *text, const void *bytes, size_t length)
{
        const char *at = bytes;

        while (length) {
                size_t part = text_escaped_character(text, at, length);
                at += part;
                length -= part;
        }
}

int text_write(const struct text *text, int fd)
{
        size_t done = 0;

        while (done < text->length) {
                ssize_t put = write(fd, text->bytes + done, text->length - done);
                if (put < 0 && errno != EINTR)
                        return errno;
                if (put == 0)
                        return EIO;
                if (put > 0)
                        done += (size_t)put;
        }
        return 0;
}
