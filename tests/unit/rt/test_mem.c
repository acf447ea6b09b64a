/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory primitives against libc's, over all small sizes, alignments and
 * overlaps.  The source is included under other names: libc's stay what they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void *guest_memcpy(void *restrict to, const void *restrict from, size_t length);
void *guest_memmove(void *to, const void *from, size_t length);
void *guest_memset(void *to, int value, size_t length);
int guest_memcmp(const void *left, const void *right, size_t length);

#define memcpy  guest_memcpy
#define memmove guest_memmove
#define memset  guest_memset
#define memcmp  guest_memcmp
#include "guest/rt/mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

#define SIZE  96u
#define LIMIT 40u

static uint8_t expected[SIZE];
static uint8_t actual[SIZE];

static void fill(uint8_t *bytes)
{
        for (unsigned i = 0; i < SIZE; i++)
                bytes[i] = (uint8_t)(i * 7 + 3);
}

static void memcpy_copies_what_it_should_and_no_more(void **state)
{
        uint8_t source[SIZE];

        (void)state;
        for (unsigned i = 0; i < SIZE; i++)
                source[i] = (uint8_t)~i;
        for (unsigned to = 0; to < 9; to++)
                for (unsigned from = 0; from < 9; from++)
                        for (unsigned length = 0; length < LIMIT; length++) {
                                fill(expected);
                                fill(actual);
                                memcpy(expected + to, source + from, length);
                                assert_ptr_equal(
                                    guest_memcpy(actual + to, source + from, length),
                                    actual + to);
                                assert_memory_equal(actual, expected, SIZE);
                        }
}

static void memmove_survives_every_overlap(void **state)
{
        (void)state;
        for (unsigned to = 0; to < LIMIT; to++)
                for (unsigned from = 0; from < LIMIT; from++)
                        for (unsigned length = 0; length < LIMIT; length++) {
                                fill(expected);
                                fill(actual);
                                memmove(expected + to, expected + from, length);
                                assert_ptr_equal(
                                    guest_memmove(actual + to, actual + from, length),
                                    actual + to);
                                assert_memory_equal(actual, expected, SIZE);
                        }
}

static void memset_takes_the_low_byte(void **state)
{
        static const int values[] = {0, 1, 0xff, 0x1ab, -1};

        (void)state;
        for (unsigned v = 0; v < 5; v++)
                for (unsigned length = 0; length < LIMIT; length++) {
                        fill(expected);
                        fill(actual);
                        memset(expected + 3, values[v], length);
                        assert_ptr_equal(guest_memset(actual + 3, values[v], length),
                                         actual + 3);
                        assert_memory_equal(actual, expected, SIZE);
                }
}

static int sign(int number)
{
        return (number > 0) - (number < 0);
}

static void memcmp_orders_by_the_first_difference(void **state)
{
        (void)state;
        for (unsigned length = 0; length < LIMIT; length++)
                for (unsigned at = 0; at < LIMIT; at++)
                        for (int change = -1; change <= 1; change++) {
                                fill(expected);
                                fill(actual);
                                actual[1 + at] = (uint8_t)(actual[1 + at] + change);
                                actual[2 + at] = 0; /* later bytes do not count */
                                int libc = memcmp(actual + 1, expected + 1, length);
                                int ours = guest_memcmp(actual + 1, expected + 1, length);
                                assert_int_equal(sign(ours), sign(libc));
                        }
}

static void memcmp_compares_bytes_as_unsigned(void **state)
{
        (void)state;
        assert_true(guest_memcmp("\x7f", "\x80", 1) < 0);
        assert_true(guest_memcmp("aaaaaaaa\xff", "aaaaaaaa\x01", 9) > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(memcpy_copies_what_it_should_and_no_more),
            cmocka_unit_test(memmove_survives_every_overlap),
            cmocka_unit_test(memset_takes_the_low_byte),
            cmocka_unit_test(memcmp_orders_by_the_first_difference),
            cmocka_unit_test(memcmp_compares_bytes_as_unsigned),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
