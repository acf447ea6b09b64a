/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "host/cli/look_options.h"

static struct look_options options;
static struct option_error error;

#define MAX_WORDS 16

static enum parse_result parse(enum look_command command, const char *first, ...)
{
        static char name[] = "info";
        static char words[MAX_WORDS][64];
        char *argv[MAX_WORDS + 2] = {name};
        int argc = 1;
        va_list list;

        va_start(list, first);
        for (const char *word = first; word; word = va_arg(list, const char *)) {
                snprintf(words[argc], sizeof words[argc], "%s", word);
                argv[argc] = words[argc];
                argc++;
        }
        va_end(list);
        return look_parse(command, argc, argv, &options, &error);
}

#define INFO(...) parse(LOOK_INFO, __VA_ARGS__, (char *)NULL)
#define MAP(...)  parse(LOOK_MAP, __VA_ARGS__, (char *)NULL)

static void options_may_stand_anywhere(void **state)
{
        (void)state;
        assert_int_equal(INFO("x", "-U", "--output", "json"), PARSE_RUN);
        assert_string_equal(options.filename, "x");
        assert_true(options.common.force_share);
        assert_true(options.common.json);
        assert_int_equal(INFO("--", "-U"), PARSE_RUN);
        assert_string_equal(options.filename, "-U");
        assert_false(options.common.force_share);
        assert_int_equal(MAP("x", "--bitmap", "b0"), PARSE_RUN);
        assert_string_equal(options.filename, "x");
        assert_string_equal(options.bitmap, "b0");
}

static void every_option_is_taken_and_the_last_of_its_kind_counts(void **state)
{
        (void)state;
        assert_int_equal(INFO("--count", "--force-share", "-f", "raw", "--format=qcow2",
                              "--output=json", "--output", "human", "x"),
                         PARSE_RUN);
        assert_true(options.count);
        assert_true(options.common.force_share);
        assert_string_equal(options.common.format, "qcow2");
        assert_false(options.common.json);
        assert_int_equal(MAP("--bitmap", "a", "--bitmap=b", "x"), PARSE_RUN);
        assert_string_equal(options.bitmap, "b");
        assert_int_equal(MAP("--bitmap=", "x"), PARSE_RUN);
        assert_string_equal(options.bitmap, "");
        assert_int_equal(INFO("x", "y", "-h"), PARSE_REJECTED);
        assert_int_equal(INFO("x", "-h", "y"), PARSE_HELP);
        assert_int_equal(MAP("-V"), PARSE_VERSION);
}

static void a_unique_abbreviation_is_the_option(void **state)
{
        (void)state;
        assert_int_equal(INFO("--forc", "--c", "--out", "json", "--form", "qcow2", "x"),
                         PARSE_RUN);
        assert_true(options.count && options.common.force_share && options.common.json);
        assert_string_equal(options.common.format, "qcow2");
        assert_int_equal(MAP("--b", "n", "x"), PARSE_RUN);
        assert_string_equal(options.bitmap, "n");
}

static void expect_rejected(enum parse_result result, enum message message,
                            const char *argument)
{
        assert_int_equal(result, PARSE_REJECTED);
        assert_int_equal(error.message, message);
        assert_string_equal(error.argument, argument);
}

static void what_makes_no_sense_is_rejected(void **state)
{
        (void)state;
        expect_rejected(INFO("-U"), MESSAGE_NO_FILENAME, "");
        expect_rejected(INFO("x", "y"), MESSAGE_EXTRA_POSITIONAL, "y");
        expect_rejected(INFO("x", "--", "y"), MESSAGE_EXTRA_POSITIONAL, "y");
        expect_rejected(INFO("--output", "xml", "x"), MESSAGE_OUTPUT_FORMAT, "xml");
        expect_rejected(INFO("--output=", "x"), MESSAGE_OUTPUT_FORMAT, "");
        expect_rejected(INFO("-Z", "x"), MESSAGE_OPTION_UNKNOWN, "-Z");
        expect_rejected(INFO("--fo", "x"), MESSAGE_OPTION_AMBIGUOUS, "--fo");
        expect_rejected(INFO("--count=1", "x"), MESSAGE_OPTION_TAKES_NO_ARGUMENT,
                        "--count=1");
        expect_rejected(INFO("x", "-f"), MESSAGE_OPTION_NEEDS_ARGUMENT, "-f");
        expect_rejected(MAP("x", "--bitmap"), MESSAGE_OPTION_NEEDS_ARGUMENT, "--bitmap");
        expect_rejected(MAP("x"), MESSAGE_NO_BITMAP_OPTION, "");
        expect_rejected(MAP("--bitmap", "b"), MESSAGE_NO_FILENAME, "");
}

static void the_sandbox_is_one_of_two_and_spelled_out(void **state)
{
        (void)state;
        assert_int_equal(INFO("x"), PARSE_RUN);
        assert_null(options.common.sandbox);
        assert_int_equal(INFO("--sandbox", "process", "x"), PARSE_RUN);
        assert_string_equal(options.common.sandbox, "process");
        assert_int_equal(MAP("--bitmap", "b", "x", "--sandbox=process", "--sandbox=kvm"),
                         PARSE_RUN);
        assert_string_equal(options.common.sandbox, "kvm");
        expect_rejected(INFO("--sandbox=", "x"), MESSAGE_SANDBOX_OPTION, "");
        expect_rejected(INFO("--sandbox", "KVM", "x"), MESSAGE_SANDBOX_OPTION, "KVM");
        expect_rejected(INFO("--sandbo=kvm", "x"), MESSAGE_OPTION_UNKNOWN,
                        "--sandbo=kvm");
        expect_rejected(INFO("x", "--sandbox"), MESSAGE_OPTION_NEEDS_ARGUMENT,
                        "--sandbox");
}

static void each_command_has_no_use_for_the_option_of_the_other(void **state)
{
        (void)state;
        expect_rejected(INFO("--bitmap", "b", "x"), MESSAGE_OPTION_UNKNOWN, "--bitmap");
        expect_rejected(MAP("--count", "--bitmap", "b", "x"), MESSAGE_OPTION_UNKNOWN,
                        "--count");
}

static void expect_every_option(enum look_command command, const char *help)
{
        const struct option *option = look_long_options(command);

        for (; option->name; option++) {
                char words[64];

                snprintf(words, sizeof words, " --%s ", option->name);
                if (!strstr(help, words))
                        fail_msg("--help lacks%s", words);
        }
}

static void help_lists_every_option(void **state)
{
        (void)state;
        expect_every_option(LOOK_INFO, info_help);
        expect_every_option(LOOK_MAP, map_help);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(options_may_stand_anywhere),
            cmocka_unit_test(every_option_is_taken_and_the_last_of_its_kind_counts),
            cmocka_unit_test(a_unique_abbreviation_is_the_option),
            cmocka_unit_test(what_makes_no_sense_is_rejected),
            cmocka_unit_test(the_sandbox_is_one_of_two_and_spelled_out),
            cmocka_unit_test(each_command_has_no_use_for_the_option_of_the_other),
            cmocka_unit_test(help_lists_every_option),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
