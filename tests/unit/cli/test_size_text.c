/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include "host/cli/size_text.h"

/* As QEMU 7.2's size_to_str() has them. */
static const struct {
        uint64_t size;
        const char *text;
} cases[] = {
    {0, "0 B"},
    {1, "1 B"},
    {512, "512 B"},
    {999, "999 B"},
    {1000, "0.977 KiB"},
    {1024, "1 KiB"},
    {1536, "1.5 KiB"},
    {200704, "196 KiB"},
    {1023999, "1e+03 KiB"},
    {1024000, "0.977 MiB"},
    {UINT64_C(1) << 30, "1 GiB"},
    {UINT64_C(10737418240), "10 GiB"},
    {UINT64_C(1) << 44, "16 TiB"},
    {UINT64_C(1) << 50, "1 PiB"},
    {INT64_MAX, "8 EiB"},
    {UINT64_MAX, "16 EiB"},
};

static void a_size_has_three_digits_and_a_binary_unit(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[SIZE_TEXT_SIZE];

                size_text(cases[i].size, text);
                assert_string_equal(text, cases[i].text);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_size_has_three_digits_and_a_binary_unit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
