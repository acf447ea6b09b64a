/* SPDX-License-Identifier: MIT */
#include "host/cli/digits.h"

#include <emmintrin.h>
#include <string.h>

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

/* Of a number in base 10; 0 has one. */
static unsigned count_digits(uint64_t number)
{
        static const uint64_t powers[] = {
            UINT64_C(1),
            UINT64_C(10),
            UINT64_C(100),
            UINT64_C(1000),
            UINT64_C(10000),
            UINT64_C(100000),
            UINT64_C(1000000),
            UINT64_C(10000000),
            UINT64_C(100000000),
            UINT64_C(1000000000),
            UINT64_C(10000000000),
            UINT64_C(100000000000),
            UINT64_C(1000000000000),
            UINT64_C(10000000000000),
            UINT64_C(100000000000000),
            UINT64_C(1000000000000000),
            UINT64_C(10000000000000000),
            UINT64_C(100000000000000000),
            UINT64_C(1000000000000000000),
            UINT64_C(10000000000000000000),
        };
        /* No power but the first is odd: the lowest bit does not matter. */
        unsigned bits = 64 - (unsigned)__builtin_clzll(number | 1);
        unsigned least = bits * 1233 >> 12; /* log10(2) is 1233/4096, nearly */

        return least + ((number | 1) >= powers[least]);
}

char *digits_decimal(char *to, uint64_t number)
{
        char *end = to + count_digits(number);
        char *at = end;

        for (; number >= 100; number /= 100)
                memcpy(at -= 2, pairs + 2 * (number % 100), 2);
        if (number >= 10)
                memcpy(at - 2, pairs + 2 * number, 2);
        else
                at[-1] = (char)('0' + number);
        return end;
}

/* Sixteen digits, all of them.  Every x86-64 has SSE2. */
static __m128i hex_digits(uint64_t number)
{
        const __m128i nibble = _mm_set1_epi8(0x0f);
        __m128i bytes = _mm_cvtsi64_si128((long long)__builtin_bswap64(number));
        __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
        __m128i digits = _mm_unpacklo_epi8(high, _mm_and_si128(bytes, nibble));
        __m128i letters = _mm_cmpgt_epi8(digits, _mm_set1_epi8(9));

        letters = _mm_and_si128(letters, _mm_set1_epi8('a' - '9' - 1));
        return _mm_add_epi8(_mm_add_epi8(digits, _mm_set1_epi8('0')), letters);
}

char *digits_hex(char *to, uint64_t number)
{
        unsigned digits = (67 - (unsigned)__builtin_clzll(number | 1)) / 4;

        /* The first of them comes first. */
        _mm_storeu_si128((__m128i *)(void *)to, hex_digits(number << (64 - 4 * digits)));
        return to + digits;
}
