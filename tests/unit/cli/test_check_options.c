/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/check_options.h"

static struct check_options options;
static struct option_error error;

#define MAX_WORDS 16

static enum parse_result parse(const char *first, ...)
{
        static char name[] = "check";
        static char words[MAX_WORDS][64];
        char *argv[MAX_WORDS + 2] = {name};
        int argc = 1;
        va_list list;

        free(options.paths);
        va_start(list, first);
        for (const char *word = first; word; word = va_arg(list, const char *)) {
                snprintf(words[argc], sizeof words[argc], "%s", word);
                argv[argc] = words[argc];
                argc++;
        }
        va_end(list);
        return check_parse(argc, argv, &options, &error);
}

#define PARSE(...) parse(__VA_ARGS__, (char *)NULL)

static int release(void **state)
{
        (void)state;
        free(options.paths);
        options.paths = NULL;
        return 0;
}

static void options_may_stand_anywhere(void **state)
{
        (void)state;
        assert_int_equal(PARSE("a", "-n", "b", "--output", "json", "--", "-q"),
                         PARSE_RUN);
        assert_true(options.dry_run);
        assert_true(options.common.json);
        assert_false(options.common.quiet);
        assert_int_equal(options.path_count, 3);
        assert_string_equal(options.paths[0], "a");
        assert_string_equal(options.paths[1], "b");
        assert_string_equal(options.paths[2], "-q");
}

static void every_option_is_taken(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--quiet", "--discard-journal", "--journal-dir", "/j",
                               "-f", "qcow2", "--memory-limit=4M", "-p", "x"),
                         PARSE_RUN);
        assert_true(options.common.quiet);
        assert_true(options.progress);
        assert_false(options.common.force_share);
        assert_int_equal(options.common.memory_limit, 4 << 20);
        assert_true(options.common.discard_journal);
        assert_string_equal(options.common.journal_directory, "/j");
        assert_string_equal(options.common.format, "qcow2");
        assert_int_equal(PARSE("--progress", "-U", "x"), PARSE_RUN);
        assert_true(options.common.force_share);
        assert_int_equal(options.common.memory_limit, 0);
        assert_null(options.reset_in_use);
        assert_int_equal(PARSE("--reset-in-use", "-b", "-n", "x"), PARSE_RUN);
        assert_string_equal(options.reset_in_use, "-b");
        assert_int_equal(PARSE("--all"), PARSE_RUN);
        assert_true(options.all);
        assert_int_equal(options.path_count, 0);
        assert_int_equal(PARSE("x", "-h"), PARSE_HELP);
        assert_int_equal(PARSE("-V"), PARSE_VERSION);
}

static void expect_rejected(enum parse_result result, enum message message)
{
        assert_int_equal(result, PARSE_REJECTED);
        assert_int_equal(error.message, message);
}

static void what_makes_no_sense_is_rejected(void **state)
{
        (void)state;
        expect_rejected(PARSE("-n"), MESSAGE_NO_FILENAME);
        expect_rejected(PARSE("--all", "--discard-journal"), MESSAGE_DISCARD_ALL);
        expect_rejected(PARSE("-U", "--discard-journal", "x"), MESSAGE_DISCARD_SHARED);
        expect_rejected(PARSE("--memory-limit", "4095K", "x"), MESSAGE_MEMORY_LIMIT);
        expect_rejected(PARSE("--memory-limit", "much", "x"), MESSAGE_MEMORY_LIMIT);
        expect_rejected(PARSE("--output", "xml", "x"), MESSAGE_OUTPUT_FORMAT);
        expect_rejected(PARSE("--journal-dir=", "x"), MESSAGE_JOURNAL_DIRECTORY);
        expect_rejected(PARSE("-Z", "x"), MESSAGE_OPTION_UNKNOWN);
        expect_rejected(PARSE("--quiet=1", "x"), MESSAGE_OPTION_TAKES_NO_ARGUMENT);
        expect_rejected(PARSE("x", "--format"), MESSAGE_OPTION_NEEDS_ARGUMENT);
        expect_rejected(PARSE("--d", "x"), MESSAGE_OPTION_AMBIGUOUS);
        expect_rejected(PARSE("x", "--reset-in-use"), MESSAGE_OPTION_NEEDS_ARGUMENT);
        expect_rejected(PARSE("--reset-in-use", "b"), MESSAGE_NO_FILENAME);
        expect_rejected(PARSE("--reset-in-use", "b", "x", "y"), MESSAGE_RESET_ALONE);
        expect_rejected(PARSE("--reset-in-use", "b", "-U", "x"), MESSAGE_RESET_ALONE);
        expect_rejected(PARSE("--reset-in-use", "b", "--all", "x"), MESSAGE_RESET_ALONE);
        expect_rejected(PARSE("--reset-in-use", "b", "--all"), MESSAGE_RESET_ALONE);
        expect_rejected(PARSE("--reset-in-use", "b", "-r", "all", "x"),
                        MESSAGE_RESET_ALONE);
}

static void the_help_lists_every_option(void **state)
{
        (void)state;
        for (const struct option *option = check_long_options(); option->name; option++) {
                char words[64];

                snprintf(words, sizeof words, "--%s", option->name);
                if (!strstr(check_help, words))
                        fail_msg("--help lacks %s", words);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test_teardown(options_may_stand_anywhere, release),
            cmocka_unit_test_teardown(every_option_is_taken, release),
            cmocka_unit_test_teardown(what_makes_no_sense_is_rejected, release),
            cmocka_unit_test(the_help_lists_every_option),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
