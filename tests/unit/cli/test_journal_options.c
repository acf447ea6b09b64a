/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <string.h>

#include "host/cli/journal_options.h"

static struct journal_options options;
static struct option_error error;

/* Parse the words up to NULL behind "journal". */
#define PARSE(...) parse((char *[]){"journal", __VA_ARGS__, NULL})

static enum parse_result parse(char **argv)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return journal_parse(argc, argv, &options, &error);
}

static void expect_rejected(enum parse_result result, enum message message,
                            const char *argument)
{
        assert_int_equal(result, PARSE_REJECTED);
        assert_int_equal(error.message, message);
        assert_string_equal(error.argument, argument);
}

static void options_may_stand_anywhere(void **state)
{
        (void)state;
        assert_int_equal(PARSE("show", "x"), PARSE_RUN);
        assert_string_equal(options.path, "x");
        assert_false(options.common.json);
        assert_int_equal(PARSE("--output", "json", "show", "x"), PARSE_RUN);
        assert_true(options.common.json);
        assert_int_equal(PARSE("show", "--output=json", "x", "--output=human"),
                         PARSE_RUN);
        assert_false(options.common.json);
        assert_int_equal(PARSE("show", "--", "--output"), PARSE_RUN);
        assert_string_equal(options.path, "--output");
        assert_int_equal(PARSE("show", "-"), PARSE_RUN);
        assert_string_equal(options.path, "-");
}

static void a_verb_and_one_file_are_needed(void **state)
{
        (void)state;
        expect_rejected(PARSE(NULL), MESSAGE_JOURNAL_NO_VERB, "");
        expect_rejected(PARSE("--output", "json"), MESSAGE_JOURNAL_NO_VERB, "");
        expect_rejected(PARSE("x", "show"), MESSAGE_JOURNAL_UNKNOWN_VERB, "x");
        expect_rejected(PARSE("sho", "x"), MESSAGE_JOURNAL_UNKNOWN_VERB, "sho");
        expect_rejected(PARSE("show"), MESSAGE_JOURNAL_NO_FILE, "");
        expect_rejected(PARSE("show", "a", "b"), MESSAGE_EXTRA_POSITIONAL, "b");
        expect_rejected(PARSE("--", "show", "a", "b"), MESSAGE_EXTRA_POSITIONAL, "b");
}

static void what_is_no_option_is_rejected(void **state)
{
        (void)state;
        expect_rejected(PARSE("show", "-q", "x"), MESSAGE_OPTION_UNKNOWN, "-q");
        expect_rejected(PARSE("show", "--bogus", "x"), MESSAGE_OPTION_UNKNOWN, "--bogus");
        expect_rejected(PARSE("show", "x", "--output"), MESSAGE_OPTION_NEEDS_ARGUMENT,
                        "--output");
        expect_rejected(PARSE("show", "x", "--output=xml"), MESSAGE_OUTPUT_FORMAT, "xml");
        expect_rejected(PARSE("show", "x", "--help=x"), MESSAGE_OPTION_TAKES_NO_ARGUMENT,
                        "--help=x");
}

static void help_tells_every_option(void **state)
{
        char word[64];

        (void)state;
        assert_int_equal(PARSE("show", "--help"), PARSE_HELP);
        assert_int_equal(PARSE("-h"), PARSE_HELP);
        assert_int_equal(PARSE("-V"), PARSE_VERSION);
        for (const struct option *row = journal_long_options(); row->name; row++) {
                strcpy(stpcpy(word, "--"), row->name);
                assert_non_null(strstr(journal_help, word));
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(options_may_stand_anywhere),
            cmocka_unit_test(a_verb_and_one_file_are_needed),
            cmocka_unit_test(what_is_no_option_is_rejected),
            cmocka_unit_test(help_tells_every_option),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
