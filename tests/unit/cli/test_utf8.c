/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include "host/cli/utf8.h"

/* What QEMU 7.2's decoder (mod_utf8_codepoint) makes of the first character. */
static const struct {
        const char *bytes;
        size_t length;
        size_t taken;
        uint32_t character;
} cases[] = {
    {"a", 1, 1, 'a'},
    {"\x7f", 1, 1, 0x7f},
    {"\xc2\x80", 2, 2, 0x80},
    {"\xdf\xbf", 2, 2, 0x7ff},
    {"\xe0\xa0\x80", 3, 3, 0x800},
    {"\xef\xbf\xbd", 3, 3, 0xfffd},
    {"\xf0\x90\x80\x80", 4, 4, 0x10000},
    {"\xf4\x8f\xbf\xbd", 4, 4, 0x10fffd},
    /* overlong, but for U+0000 in two bytes */
    {"\xc0\x80", 2, 2, 0},
    {"\xc1\xbf", 2, 2, UTF8_INVALID},
    {"\xe0\x9f\xbf", 3, 3, UTF8_INVALID},
    {"\xe0\x80\x80", 3, 3, UTF8_INVALID},
    {"\xf0\x8f\xbf\xbf", 4, 4, UTF8_INVALID},
    /* surrogates, noncharacters, behind the end of Unicode */
    {"\xed\xa0\x80", 3, 3, UTF8_INVALID},
    {"\xed\xbf\xbf", 3, 3, UTF8_INVALID},
    {"\xef\xb7\x90", 3, 3, UTF8_INVALID},
    {"\xef\xbf\xbe", 3, 3, UTF8_INVALID},
    {"\xf0\x9f\xbf\xbf", 4, 4, UTF8_INVALID},
    {"\xf4\x8f\xbf\xbf", 4, 4, UTF8_INVALID},
    {"\xf4\x90\x80\x80", 4, 4, UTF8_INVALID},
    {"\xf8\x88\x80\x80\x80", 5, 5, UTF8_INVALID},
    {"\xfd\xbf\xbf\xbf\xbf\xbf", 6, 6, UTF8_INVALID},
    /* no first byte of anything */
    {"\x80\x80", 2, 1, UTF8_INVALID},
    {"\xbfx", 2, 1, UTF8_INVALID},
    {"\xfe\x80", 2, 1, UTF8_INVALID},
    {"\xff", 1, 1, UTF8_INVALID},
    /* cut off: what is there of it is taken */
    {"\xc3", 1, 1, UTF8_INVALID},
    {"\xc3(", 2, 1, UTF8_INVALID},
    {"\xe2\x82", 2, 2, UTF8_INVALID},
    {"\xe2\x82x", 3, 2, UTF8_INVALID},
    {"\xf0\x9f\x92\xc3", 4, 3, UTF8_INVALID},
    {"\xf0\x9f\x92\xbe", 2, 2, UTF8_INVALID},
    {"\xfc\x80\x80x", 4, 3, UTF8_INVALID},
    /* ours alone: QEMU's strings end there */
    {"\0x", 2, 1, 0},
};

static void every_sequence_is_taken_as_qemu_takes_it(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint32_t character = 0x5a5a5a5a;
                size_t taken = utf8_decode(cases[i].bytes, cases[i].length, &character);

                if (taken != cases[i].taken || character != cases[i].character)
                        fail_msg("case %zu: %zu bytes, character 0x%x", i, taken,
                                 character);
        }
}

static void only_what_can_be_given_back_is_text(void **state)
{
        (void)state;
        assert_true(utf8_is_text("", 0));
        assert_true(utf8_is_text("caf\xc3\xa9 \xef\xbf\xbd\n", 10));
        assert_false(utf8_is_text("a\0b", 3));
        assert_false(utf8_is_text("a\xc0\x80", 3));
        assert_false(utf8_is_text("caf\xc3", 4));
        assert_false(utf8_is_text("\xef\xbf\xbe", 3));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_sequence_is_taken_as_qemu_takes_it),
            cmocka_unit_test(only_what_can_be_given_back_is_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
