/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "guest/rt/checked.h"
#include "host/cli/size.h"

/* The digit's value, or 16 if it is none. */
static unsigned digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return (unsigned)(c - '0');
        if (c >= 'a' && c <= 'f')
                return (unsigned)(c - 'a') + 10;
        if (c >= 'A' && c <= 'F')
                return (unsigned)(c - 'A') + 10;
        return 16;
}

/* Read at least one digit; *end is what follows them. */
static bool parse_digits(const char *text, unsigned base, uint64_t *number,
                         const char **end)
{
        const char *at = text;

        *number = 0;
        for (; digit_value(*at) < base; at++)
                if (!checked_mul(*number, base, number) ||
                    !checked_add(*number, digit_value(*at), number))
                        return false;
        *end = at;
        return at != text;
}

/* log2 of what a suffix multiplies by; -1 for no suffix of ours. */
static int suffix_shift(const char *suffix)
{
        static const char letters[] = "bBkKmMgGtTpPeE";
        const char *found;

        if (suffix[0] == '\0')
                return 0;
        found = strchr(letters, suffix[0]);
        return found && suffix[1] == '\0' ? (int)((found - letters) / 2) * 10 : -1;
}

bool size_parse(const char *text, uint64_t *size)
{
        bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
        const char *suffix;
        uint64_t number;
        int shift;

        if (hexadecimal)
                text += 2;
        if (!parse_digits(text, hexadecimal ? 16 : 10, &number, &suffix))
                return false;
        shift = suffix_shift(suffix);
        return shift >= 0 && checked_mul(number, UINT64_C(1) << shift, size);
}

/* As many digits behind the point as fit; the rest is less than a byte of an exbibyte. */
#define FRACTION_DIGITS 18

/* `digits` behind the point, times 2^shift, in whole numbers. */
static uint64_t fraction_bytes(const char *digits, size_t count, int shift)
{
        unsigned __int128 number = 0;
        uint64_t unit = 1;

        for (size_t i = 0; i < count && i < FRACTION_DIGITS; i++) {
                number = number * 10 + digit_value(digits[i]);
                unit *= 10;
        }
        return (uint64_t)((number << shift) / unit);
}

bool size_parse_fraction(const char *text, uint64_t *size)
{
        const char *end;
        uint64_t whole;
        size_t count;
        int shift;

        if (!strchr(text, '.'))
                return size_parse(text, size);
        if (!parse_digits(text, 10, &whole, &end) || *end != '.')
                return false;
        count = strspn(end + 1, "0123456789");
        shift = suffix_shift(end + 1 + count);
        return count && shift > 0 && checked_mul(whole, UINT64_C(1) << shift, &whole) &&
               checked_add(whole, fraction_bytes(end + 1, count, shift), size);
}
