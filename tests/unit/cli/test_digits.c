/* SPDX-License-Identifier: MIT */
/* Numbers as text, compared with what printf makes of them. */
#include "tests/unit/cli/cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/digits.h"

static void expect(char *(*digits)(char *, uint64_t), uint64_t number, const char *format)
{
        char expected[DIGITS_ROOM + 1];
        char got[DIGITS_ROOM + 1];
        char *end;

        snprintf(expected, sizeof expected, format, number);
        got[DIGITS_ROOM] = '!';
        end = digits(got, number);
        assert_int_equal(got[DIGITS_ROOM], '!');
        assert_in_range((uintptr_t)(end - got), 1, DIGITS_ROOM);
        *end = '\0';
        assert_string_equal(got, expected);
}

static void expect_both(uint64_t number)
{
        expect(digits_decimal, number, "%" PRIu64);
        expect(digits_hex, number, "%" PRIx64);
}

static void numbers_around_every_length_are_as_printf_has_them(void **state)
{
        (void)state;
        for (uint64_t base = 2; base <= 16; base++) {
                uint64_t power = 1;

                do {
                        for (uint64_t near = power - 2; near != power + 3; near++)
                                expect_both(near);
                } while (!__builtin_mul_overflow(power, base, &power));
        }
        expect_both(UINT64_MAX);
        expect_both(INT64_MAX);
}

static void every_pair_of_digits_is_as_printf_has_it(void **state)
{
        (void)state;
        for (uint64_t number = 0; number < 100000; number++) {
                expect_both(number);
                expect_both(number * UINT64_C(99999999999999));
        }
}

static void numbers_of_any_length_are_as_printf_has_them(void **state)
{
        uint64_t random = 1;

        (void)state;
        for (unsigned i = 0; i < 200000; i++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
                expect_both(random >> i % 64);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(numbers_around_every_length_are_as_printf_has_them),
            cmocka_unit_test(every_pair_of_digits_is_as_printf_has_it),
            cmocka_unit_test(numbers_of_any_length_are_as_printf_has_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
