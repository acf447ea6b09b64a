/* SPDX-License-Identifier: MIT */
/* The command line of `instar resize`. */
#include "tests/unit/cli/cmocka_all.h"

#include <string.h>

#include "host/cli/resize_options.h"

static struct resize_options options;
static struct option_error error;

/* Parse the words up to NULL behind "resize". */
#define PARSE(...) parse((char *[]){"resize", __VA_ARGS__, NULL})

static enum parse_result parse(char **argv)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return resize_parse(argc, argv, &options, &error);
}

static void the_size_may_be_negative_at_the_end(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--shrink", "x.qcow2", "-1G"), PARSE_RUN);
        assert_string_equal(options.filename, "x.qcow2");
        assert_string_equal(options.size, "-1G");
        assert_true(options.shrink);
        assert_int_equal(PARSE("x.qcow2", "--shrink", "--", "-1G"), PARSE_RUN);
        assert_string_equal(options.size, "-1G");
        assert_int_equal(PARSE("x.qcow2", "+1G", "-q"), PARSE_RUN);
        assert_true(options.common.quiet);
        assert_int_equal(PARSE("x.qcow2", "1G", "-1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_EXTRA_POSITIONAL);
        assert_int_equal(PARSE("-1G", "x.qcow2"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_OPTION_UNKNOWN);
}

static void what_is_missing_or_too_much_is_rejected(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--shrink"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_NO_FILENAME);
        assert_int_equal(PARSE("x.qcow2"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_NO_SIZE);
        assert_int_equal(PARSE("x.qcow2", "1G", "2G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_EXTRA_POSITIONAL);
        assert_int_equal(PARSE("--output", "xml", "x.qcow2", "1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_OUTPUT_FORMAT);
        assert_int_equal(PARSE("--journal-dir", "", "x.qcow2", "1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_JOURNAL_DIRECTORY);
        assert_int_equal(PARSE("--memory-limit", "1", "x.qcow2", "1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_MEMORY_LIMIT);
        assert_int_equal(PARSE("--preallocation=off", "x.qcow2", "1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_OPTION_UNKNOWN);
}

static void an_abbreviation_of_shrink_is_none_of_sandbox(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--s", "x.qcow2", "1G"), PARSE_RUN);
        assert_true(options.shrink);
        assert_int_equal(PARSE("--sandbox=process", "x.qcow2", "1G"), PARSE_RUN);
        assert_string_equal(options.common.sandbox, "process");
        assert_int_equal(PARSE("--sand=kvm", "x.qcow2", "1G"), PARSE_REJECTED);
        assert_int_equal(error.message, MESSAGE_OPTION_UNKNOWN);
}

static void expect_call(const char *size, uint32_t mode, uint64_t bytes)
{
        struct abi_call call;
        struct message_values values = {0};

        options = (struct resize_options){.size = size, .shrink = true};
        assert_int_equal(resize_call(&options, &call, &values), MESSAGE_NONE);
        assert_int_equal(call.size_mode, mode);
        assert_int_equal(call.size, bytes);
        assert_int_equal(call.flags, ABI_CALL_SHRINK);
}

static void a_sign_makes_the_size_relative(void **state)
{
        (void)state;
        expect_call("10M", ABI_SIZE_ABSOLUTE, 10 << 20);
        expect_call("+1.5k", ABI_SIZE_MORE, 1536);
        expect_call("-0x200", ABI_SIZE_LESS, 512);
        expect_call("0", ABI_SIZE_ABSOLUTE, 0);
}

static void what_is_no_size_or_format_is_refused(void **state)
{
        static const char *const sizes[] = {"",    "+",  "-",   "++1",
                                            "+-1", "1x", "16E", "1.5"};
        struct abi_call call;
        struct message_values values = {0};

        (void)state;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                options = (struct resize_options){.size = sizes[i]};
                assert_int_equal(resize_call(&options, &call, &values), MESSAGE_SIZE);
                assert_string_equal(values.argument, sizes[i]);
        }
        options = (struct resize_options){.size = "1G", .common.format = "raw"};
        assert_int_equal(resize_call(&options, &call, &values), MESSAGE_FORMAT);
        assert_string_equal(values.argument, "raw");
}

static void help_names_every_long_option(void **state)
{
        char word[64];

        (void)state;
        for (const struct option *o = resize_long_options(); o->name; o++) {
                stpcpy(stpcpy(word, "--"), o->name);
                if (!strstr(resize_help, word))
                        fail_msg("--help lacks %s", word);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_size_may_be_negative_at_the_end),
            cmocka_unit_test(what_is_missing_or_too_much_is_rejected),
            cmocka_unit_test(an_abbreviation_of_shrink_is_none_of_sandbox),
            cmocka_unit_test(a_sign_makes_the_size_relative),
            cmocka_unit_test(what_is_no_size_or_format_is_refused),
            cmocka_unit_test(help_names_every_long_option),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
