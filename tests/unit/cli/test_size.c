/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include "host/cli/size.h"

struct size_case {
        const char *text;
        uint64_t size;
};

static void takes_decimal_hexadecimal_and_every_suffix_in_either_case(void **state)
{
        static const struct size_case cases[] = {
            {"0", 0},
            {"512", 512},
            {"0512", 512}, /* decimal, not octal */
            {"0x200", 512},
            {"0X2a0", 0x2a0},
            {"0xDEADbeef", 0xdeadbeef},
            {"512b", 512},
            {"512B", 512},
            {"1k", 1024},
            {"64K", 65536},
            {"1m", 1 << 20},
            {"2M", 2 << 20},
            {"2g", UINT64_C(2) << 30},
            {"2G", UINT64_C(2) << 30},
            {"1t", UINT64_C(1) << 40},
            {"1T", UINT64_C(1) << 40},
            {"1p", UINT64_C(1) << 50},
            {"1P", UINT64_C(1) << 50},
            {"1e", UINT64_C(1) << 60},
            {"15E", UINT64_C(15) << 60},
            {"0x1k", 1024},
            {"0x1M", 1 << 20},
            {"0x1b", 0x1b}, /* b and e are digits here */
            {"0x1E", 0x1e},
            {"2147483649", UINT64_C(2147483649)},
            {"4294967808", UINT64_C(4294967808)}, /* not cut to 512 */
            {"18446744073709551615", UINT64_MAX},
            {"0xffffffffffffffff", UINT64_MAX},
            {"00000000000000000000000000512", 512},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint64_t size = 1;
                if (!size_parse(cases[i].text, &size))
                        fail_msg("'%s' was refused", cases[i].text);
                if (size != cases[i].size)
                        fail_msg("'%s' gave %ju", cases[i].text, (uintmax_t)size);
        }
}

static void refuses_what_is_no_size_and_what_needs_more_than_64_bits(void **state)
{
        static const char *const texts[] = {
            "",
            " ",
            " 512",
            "512 ",
            "512\n",
            "+512",
            "-1",
            "-512",
            "k",
            "512kk",
            "512kB",
            "512x",
            "1.5k",
            "0.5k",
            "512.",
            ".5k",
            "1e3",
            "0x",
            "0xk",
            "x200",
            "0x-1",
            "foo",
            "1 k",
            "0x 1",
            "1_024",
            "1,024",
            "16E",
            "0x1p3",
            "512\x80",
            "18446744073709551616", /* 2^64 */
            "184467440737095516150",
            "0x10000000000000000",
            "18014398509481984k",
            "16777216T",
            "99999999999999999999999999999999",
        };

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                uint64_t size = 77;
                if (size_parse(texts[i], &size))
                        fail_msg("'%s' gave %ju", texts[i], (uintmax_t)size);
        }
}

static void takes_a_fraction_before_a_suffix_where_qemu_does(void **state)
{
        static const struct {
                const char *text;
                uint64_t size;
        } good[] = {{"1.5k", 1536},          {"0.5G", 1u << 29},
                    {"1.0M", 1u << 20},      {"2k", 2048},
                    {"0x200", 512},          {"1.0009765625k", 1025},
                    {"1.00000000001k", 1024}};
        static const char *const bad[] = {"1.5",   "1.5b",   ".5k",   "1.k",
                                          "1..5k", "0x1.5k", "1.5kk", "-1.5k",
                                          "16.5E", "1.5 k",  "1,5k",  "1.5.5k"};

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
                uint64_t size = 77;
                assert_true(size_parse_fraction(good[i].text, &size));
                assert_int_equal(size, good[i].size);
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                uint64_t size = 77;
                if (size_parse_fraction(bad[i], &size))
                        fail_msg("'%s' gave %ju", bad[i], (uintmax_t)size);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(takes_decimal_hexadecimal_and_every_suffix_in_either_case),
            cmocka_unit_test(refuses_what_is_no_size_and_what_needs_more_than_64_bits),
            cmocka_unit_test(takes_a_fraction_before_a_suffix_where_qemu_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
