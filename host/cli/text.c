/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/text.h"

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

static void append_digits(struct text *text, uint64_t number, unsigned base)
{
        char digits[20]; /* of 2^64 - 1 in base 10 */
        size_t at = sizeof digits;

        do {
                digits[--at] = "0123456789abcdef"[number % base];
                number /= base;
        } while (number);
        text_bytes(text, digits + at, sizeof digits - at);
}

void text_number(struct text *text, uint64_t number)
{
        append_digits(text, number, 10);
}

void text_hex(struct text *text, uint64_t number)
{
        text_string(text, "0x");
        append_digits(text, number, 16);
}

/* Bytes of the UTF-8 sequence that `lead` starts, or 0 if it can start none. */
static size_t sequence_length(unsigned char lead)
{
        if (lead < 0x80)
                return 1;
        if (lead >= 0xc2 && lead <= 0xdf)
                return 2;
        if ((lead & 0xf0) == 0xe0)
                return 3;
        return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* Decode one character of `left` bytes, which are at least one; 0 if they begin with no
 * valid UTF-8. */
static size_t decode(const unsigned char *bytes, size_t left, uint32_t *character)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
        size_t length = sequence_length(bytes[0]);

        *character = bytes[0] & lead_bits[length];
        if (length > left)
                return 0;
        for (size_t i = 1; i < length; i++) {
                if ((bytes[i] & 0xc0) != 0x80)
                        return 0;
                *character = *character << 6 | (bytes[i] & 0x3f);
        }
        if (length > 1 && (*character < least[length] || *character > 0x10ffff ||
                           (*character >= 0xd800 && *character <= 0xdfff)))
                return 0;
        return length;
}

/* Controls C0 and C1, the backslash that the escapes begin with, and characters
 * that are invisible or turn the direction of the text round. */
static bool must_be_escaped(uint32_t character)
{
        return character < 0x20 || (character >= 0x7f && character <= 0x9f) ||
               character == '\\' || (character >= 0x200b && character <= 0x200f) ||
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

/* Append one character of `left` bytes; how many bytes it took. */
static size_t append_character(struct text *text, const char *at, size_t left)
{
        const unsigned char *bytes = (const unsigned char *)at;
        uint32_t character;
        size_t length = decode(bytes, left, &character);

        if (length == 0 || must_be_escaped(character))
                append_escapes(text, bytes, length ? length : 1);
        else
                text_bytes(text, at, length);
        return length ? length : 1;
}

void text_escaped(struct text *text, const char *string)
{
        size_t length = strlen(string);
        size_t at = 0;

        while (at < length && at < TEXT_ARGUMENT_MAX)
                at += append_character(text, string + at, length - at);
        if (at < length)
                text_string(text, "...");
}

void text_escaped_bytes(struct text *text, const void *bytes, size_t length)
{
        const char *at = bytes;

        while (length) {
                size_t part = append_character(text, at, length);
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
