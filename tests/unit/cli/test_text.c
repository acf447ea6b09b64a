/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/text.h"

static struct text text;

static void expect_escaped(const char *string, const char *expected)
{
        text_start(&text);
        text_escaped(&text, string);
        text_bytes(&text, "", 1);
        assert_string_equal(text.bytes, expected);
}

static void printable_text_and_utf8_stay_as_they_are(void **state)
{
        (void)state;
        expect_escaped("", "");
        expect_escaped("/srv/disk 1.qcow2", "/srv/disk 1.qcow2");
        expect_escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe",
                       "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe");
        expect_escaped("\xc2\xa0", "\xc2\xa0"); /* the first behind C1 */
}

static void no_control_byte_reaches_the_terminal(void **state)
{
        (void)state;
        expect_escaped("\x1b[31mred", "\\x1b[31mred");
        expect_escaped("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d");
        expect_escaped("\x01\x1f\x7f", "\\x01\\x1f\\x7f");
        expect_escaped("\xc2\x9b"
                       "31m",
                       "\\xc2\\x9b31m"); /* CSI as one character */
        expect_escaped("\x9b"
                       "31m",
                       "\\x9b31m"); /* CSI as one byte */
}

static void an_escape_cannot_be_forged(void **state)
{
        (void)state;
        expect_escaped("\\x1b", "\\x5cx1b");
}

static void invalid_utf8_is_escaped_byte_by_byte(void **state)
{
        (void)state;
        expect_escaped("\xff", "\\xff");
        expect_escaped("\xc3", "\\xc3");          /* cut short */
        expect_escaped("\xc3(", "\\xc3(");        /* no continuation */
        expect_escaped("\xe2\x82", "\\xe2\\x82"); /* cut short */
        expect_escaped("\xc0\xaf", "\\xc0\\xaf"); /* overlong */
        expect_escaped("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
        expect_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
        expect_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
        expect_escaped("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void invisible_and_direction_changing_characters_are_escaped(void **state)
{
        (void)state;
        expect_escaped("a\xe2\x80\xaez", "a\\xe2\\x80\\xaez"); /* U+202E */
        expect_escaped("a\xe2\x80\x8bz", "a\\xe2\\x80\\x8bz"); /* U+200B */
        expect_escaped("\xef\xbb\xbf", "\\xef\\xbb\\xbf");     /* U+FEFF */
}

static void a_long_argument_is_cut_and_says_so(void **state)
{
        static char argument[TEXT_ARGUMENT_MAX + 2];

        (void)state;
        memset(argument, '\n', TEXT_ARGUMENT_MAX);
        text_start(&text);
        text_escaped(&text, argument);
        assert_int_equal(text.length, 4 * TEXT_ARGUMENT_MAX);
        argument[TEXT_ARGUMENT_MAX] = 'x';
        text_start(&text);
        text_escaped(&text, argument);
        assert_int_equal(text.length, 4 * TEXT_ARGUMENT_MAX + 3);
        assert_memory_equal(text.bytes + 4 * TEXT_ARGUMENT_MAX, "...", 3);
}

static void bytes_are_shown_to_the_last_a_nul_too(void **state)
{
        static const char bytes[] = "a\0\xc3\xa9\n\xe2\x82\xac";

        (void)state;
        text_start(&text);
        text_escaped_bytes(&text, bytes, sizeof bytes - 1);
        text_escaped_bytes(&text, bytes + 4, 2); /* what follows is not looked at */
        text_bytes(&text, "", 1);
        assert_string_equal(text.bytes, "a\\x00\xc3\xa9\\x0a\xe2\x82\xac\\x0a\\xe2");
}

static void what_does_not_fit_is_left_out(void **state)
{
        static char much[TEXT_MAX];

        (void)state;
        memset(much, 'm', sizeof much);
        text_start(&text);
        text_string(&text, "x");
        text_bytes(&text, much, sizeof much);
        text_string(&text, "y");
        assert_int_equal(text.length, TEXT_MAX);
        assert_int_equal(text.bytes[TEXT_MAX - 1], 'm');
}

static void numbers_of_64_bits_are_whole(void **state)
{
        (void)state;
        text_start(&text);
        text_number(&text, 0);
        text_string(&text, " ");
        text_number(&text, UINT64_MAX);
        text_string(&text, " ");
        text_hex(&text, 0);
        text_string(&text, " ");
        text_hex(&text, UINT64_MAX);
        text_bytes(&text, "", 1);
        assert_string_equal(text.bytes, "0 18446744073709551615 0x0 0xffffffffffffffff");
}

static void a_full_disk_is_reported(void **state)
{
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void)state;
        assert_true(full >= 0);
        text_start(&text);
        assert_int_equal(text_write(&text, full), 0); /* nothing to write */
        text_string(&text, "x");
        assert_int_equal(text_write(&text, full), ENOSPC);
        assert_int_equal(text_write(&text, -1), EBADF);
        close(full);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(printable_text_and_utf8_stay_as_they_are),
            cmocka_unit_test(no_control_byte_reaches_the_terminal),
            cmocka_unit_test(an_escape_cannot_be_forged),
            cmocka_unit_test(invalid_utf8_is_escaped_byte_by_byte),
            cmocka_unit_test(invisible_and_direction_changing_characters_are_escaped),
            cmocka_unit_test(a_long_argument_is_cut_and_says_so),
            cmocka_unit_test(bytes_are_shown_to_the_last_a_nul_too),
            cmocka_unit_test(what_does_not_fit_is_left_out),
            cmocka_unit_test(numbers_of_64_bits_are_whole),
            cmocka_unit_test(a_full_disk_is_reported),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
