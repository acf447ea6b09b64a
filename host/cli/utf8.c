/* SPDX-License-Identifier: MIT */
#include "host/cli/utf8.h"

/* Bytes of the sequence that `lead` announces; 0 if it can start none.  Up to six, as
 * UTF-8 once had: what is above U+10FFFF is sorted out by its value. */
static size_t announced_length(uint8_t lead)
{
        size_t length = 0;

        if (lead < 0x80)
                return 1;
        if (lead < 0xc0 || lead >= 0xfe)
                return 0;
        while (lead & (0x80u >> length))
                length++;
        return length;
}

static bool is_character(uint32_t value)
{
        return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff) &&
               (value < 0xfdd0 || value > 0xfdef) && (value & 0xfffe) != 0xfffe;
}

/* Could fewer bytes have said it? */
static bool is_overlong(uint32_t value, size_t length)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000};

        return value < least[length] && !(value == 0 && length == 2);
}

size_t utf8_decode(const void *bytes, size_t left, uint32_t *character)
{
        const uint8_t *byte = bytes;
        size_t length = announced_length(byte[0]);
        uint32_t value = byte[0];

        *character = UTF8_INVALID;
        if (length == 0)
                return 1;
        if (length > 1)
                value &= 0x7fu >> length;
        for (size_t i = 1; i < length; i++) {
                if (i == left || (byte[i] & 0xc0) != 0x80)
                        return i;
                value = value << 6 | (byte[i] & 0x3f);
        }
        if (is_character(value) && !is_overlong(value, length))
                *character = value;
        return length;
}

bool utf8_is_text(const void *bytes, size_t length)
{
        const uint8_t *at = bytes;

        while (length) {
                uint32_t character;
                size_t part = utf8_decode(at, length, &character);

                if (character == UTF8_INVALID || character == 0)
                        return false;
                at += part;
                length -= part;
        }
        return true;
}
