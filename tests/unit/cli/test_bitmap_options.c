/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "host/cli/bitmap_options.h"

static struct bitmap_options options;
static struct option_error error;

/* Parse the words up to NULL behind "bitmap". */
#define PARSE(...) parse((char *[]){"bitmap", __VA_ARGS__, NULL})

static enum parse_result parse(char **argv)
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return bitmap_parse(argc, argv, &options, &error);
}

static void expect_rejected(enum parse_result result, enum message message,
                            const char *argument)
{
        assert_int_equal(result, PARSE_REJECTED);
        assert_int_equal(error.message, message);
        assert_string_equal(error.argument, argument);
}

static void expect_actions(size_t count, const uint32_t *actions)
{
        assert_int_equal(options.metadata_count, count);
        assert_memory_equal(options.metadata, actions, count * sizeof *actions);
}

static void repeated_flags_keep_their_true_order(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "--remove", "--add", "x.qcow2", "b0"), PARSE_RUN);
        expect_actions(3,
                       (uint32_t[]){ABI_ACTION_ADD, ABI_ACTION_REMOVE, ABI_ACTION_ADD});
        assert_true(options.adds);
        assert_int_equal(PARSE("--disable", "x", "--clear", "b", "--enable", "--clear"),
                         PARSE_RUN);
        expect_actions(4, (uint32_t[]){ABI_ACTION_DISABLE, ABI_ACTION_CLEAR,
                                       ABI_ACTION_ENABLE, ABI_ACTION_CLEAR});
        assert_false(options.adds);
}

static void options_may_stand_behind_positionals(void **state)
{
        (void)state;
        assert_int_equal(PARSE("x.qcow2", "b0", "--add", "-g", "64k", "--output", "json"),
                         PARSE_RUN);
        assert_string_equal(options.filename, "x.qcow2");
        assert_string_equal(options.target, "b0");
        assert_string_equal(options.granularity, "64k");
        assert_true(options.common.json);
        expect_actions(1, (uint32_t[]){ABI_ACTION_ADD});
}

static void posixly_correct_changes_nothing(void **state)
{
        (void)state;
        assert_int_equal(setenv("POSIXLY_CORRECT", "1", 1), 0);
        options_may_stand_behind_positionals(state);
        assert_int_equal(unsetenv("POSIXLY_CORRECT"), 0);
}

static void behind_two_dashes_everything_is_positional(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "--", "--remove", "-g"), PARSE_RUN);
        assert_string_equal(options.filename, "--remove");
        assert_string_equal(options.target, "-g");
        expect_actions(1, (uint32_t[]){ABI_ACTION_ADD});
        assert_int_equal(PARSE("--add", "x", "--", "--"), PARSE_RUN);
        assert_string_equal(options.target, "--");
        assert_int_equal(PARSE("--add", "x", "b", "--"), PARSE_RUN);
        assert_int_equal(PARSE("--add", "-", "-"), PARSE_RUN); /* a name, not an option */
        assert_string_equal(options.filename, "-");
        expect_rejected(PARSE("--", "x", "b", "--add"), MESSAGE_EXTRA_POSITIONAL,
                        "--add");
}

static void arguments_may_be_attached_or_begin_with_a_dash(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "-g512", "x", "b"), PARSE_RUN);
        assert_string_equal(options.granularity, "512");
        assert_int_equal(PARSE("--add", "--granularity=-1", "x", "b"), PARSE_RUN);
        assert_string_equal(options.granularity, "-1");
        assert_int_equal(PARSE("--merge", "--add", "x", "b"), PARSE_RUN);
        assert_int_equal(options.source_count, 1);
        assert_string_equal(options.sources[0], "--add");
        assert_int_equal(options.metadata_count, 0);
}

static void the_last_granularity_format_and_output_count(void **state)
{
        (void)state;
        assert_int_equal(PARSE("-g", "64k", "--add", "-g", "32k", "-f", "raw", "-fqcow2",
                               "--output=json", "--output=human", "x", "b"),
                         PARSE_RUN);
        assert_string_equal(options.granularity, "32k");
        assert_string_equal(options.common.format, "qcow2");
        assert_false(options.common.json);
}

static void unambiguous_abbreviations_are_understood(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--a", "--rem", "--c", "--en", "--dis", "--gran=1M",
                               "--form", "qcow2", "--out", "json", "x", "b"),
                         PARSE_RUN);
        expect_actions(5,
                       (uint32_t[]){ABI_ACTION_ADD, ABI_ACTION_REMOVE, ABI_ACTION_CLEAR,
                                    ABI_ACTION_ENABLE, ABI_ACTION_DISABLE});
        assert_string_equal(options.granularity, "1M");
        assert_string_equal(options.common.format, "qcow2");
        assert_true(options.common.json);
}

static void ambiguous_abbreviations_are_rejected_with_the_candidates(void **state)
{
        (void)state;
        expect_rejected(PARSE("--o", "json", "x", "b"), MESSAGE_OPTION_AMBIGUOUS, "--o");
        assert_string_equal(error.candidates, "--output, --object");
        expect_rejected(PARSE("--add", "--source=x", "x", "b"), MESSAGE_OPTION_AMBIGUOUS,
                        "--source=x");
        assert_string_equal(error.candidates, "--source-file, --source-format");
}

static void options_of_our_own_make_no_abbreviation_ambiguous(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--m", "s", "x", "b"), PARSE_RUN);
        assert_string_equal(options.sources[0], "s");
        expect_rejected(PARSE("--add", "--memory-lim", "8M", "x", "b"),
                        MESSAGE_OPTION_UNKNOWN, "--memory-lim");
        expect_rejected(PARSE("--add", "--journal=d", "x", "b"), MESSAGE_OPTION_UNKNOWN,
                        "--journal=d");
}

static void options_of_our_own_are_understood_in_full(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "--no-ownership-scan", "--journal-dir", "/j",
                               "--memory-limit=8M", "x", "b"),
                         PARSE_RUN);
        assert_true(options.common.no_ownership_scan);
        assert_string_equal(options.common.journal_directory, "/j");
        assert_int_equal(options.common.memory_limit, 8 << 20);
        expect_rejected(PARSE("--add", "--journal-dir=", "x", "b"),
                        MESSAGE_JOURNAL_DIRECTORY, "");
}

static void the_memory_limit_has_bounds_and_is_rounded_up(void **state)
{
        static char *const refused[] = {"0", "4194303", "3M", "17179869185", "17G", "16E",
                                        "x", "-4M",     "",   "1.5G"};

        (void)state;
        assert_int_equal(PARSE("--add", "x", "b"), PARSE_RUN);
        assert_int_equal(options.common.memory_limit, 0);
        assert_int_equal(PARSE("--add", "--memory-limit", "4M", "x", "b"), PARSE_RUN);
        assert_int_equal(options.common.memory_limit, 4 << 20);
        assert_int_equal(PARSE("--add", "--memory-limit", "4194305", "x", "b"),
                         PARSE_RUN);
        assert_int_equal(options.common.memory_limit, 6 << 20);
        assert_int_equal(PARSE("--add", "--memory-limit", "16G", "x", "b"), PARSE_RUN);
        assert_int_equal(options.common.memory_limit, UINT64_C(16) << 30);
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
                expect_rejected(PARSE("--add", "--memory-limit", refused[i], "x", "b"),
                                MESSAGE_MEMORY_LIMIT, refused[i]);
}

static void unsupported_options_are_parsed(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--object", "secret,id=s", "--image-opts", "-b", "f", "-F",
                               "raw", "x", "b"),
                         PARSE_RUN);
        assert_true(options.object && options.image_opts && options.cross_file);
        assert_int_equal(PARSE("--source-file", "f", "x", "b"), PARSE_RUN);
        assert_true(options.cross_file && !options.object && !options.image_opts);
        assert_int_equal(PARSE("--source-format=raw", "x", "b"), PARSE_RUN);
        assert_true(options.cross_file);
}

static void unknown_options_are_rejected_by_name(void **state)
{
        (void)state;
        expect_rejected(PARSE("--add", "--bogus", "x", "b"), MESSAGE_OPTION_UNKNOWN,
                        "--bogus");
        expect_rejected(PARSE("--add", "x", "b", "-q"), MESSAGE_OPTION_UNKNOWN, "-q");
        expect_rejected(PARSE("--add", "-qg", "64k", "x", "b"), MESSAGE_OPTION_UNKNOWN,
                        "-q");
        expect_rejected(PARSE("--addx"), MESSAGE_OPTION_UNKNOWN, "--addx");
}

static void a_missing_or_needless_argument_is_rejected(void **state)
{
        (void)state;
        expect_rejected(PARSE("x", "b", "--add", "-g"), MESSAGE_OPTION_NEEDS_ARGUMENT,
                        "-g");
        expect_rejected(PARSE("x", "b", "--merge"), MESSAGE_OPTION_NEEDS_ARGUMENT,
                        "--merge");
        expect_rejected(PARSE("x", "b", "--add", "--memory-limit"),
                        MESSAGE_OPTION_NEEDS_ARGUMENT, "--memory-limit");
        expect_rejected(PARSE("x", "b", "--add=1"), MESSAGE_OPTION_TAKES_NO_ARGUMENT,
                        "--add=1");
        expect_rejected(PARSE("x", "b", "--no-ownership-scan=1"),
                        MESSAGE_OPTION_TAKES_NO_ARGUMENT, "--no-ownership-scan=1");
}

static void only_human_and_json_are_outputs(void **state)
{
        (void)state;
        expect_rejected(PARSE("--add", "--output", "xml", "x", "b"),
                        MESSAGE_OUTPUT_FORMAT, "xml");
        expect_rejected(PARSE("--add", "--output", "JSON", "x", "b"),
                        MESSAGE_OUTPUT_FORMAT, "JSON");
        expect_rejected(PARSE("--add", "--output=", "x", "b"), MESSAGE_OUTPUT_FORMAT, "");
}

static void exactly_two_positionals_are_taken(void **state)
{
        (void)state;
        expect_rejected(PARSE("--add"), MESSAGE_NO_POSITIONALS, "");
        expect_rejected(PARSE("--add", "x"), MESSAGE_NO_BITMAP_NAME, "x");
        expect_rejected(PARSE("--add", "x", "b", "c"), MESSAGE_EXTRA_POSITIONAL, "c");
        assert_int_equal(PARSE("--add", "", ""), PARSE_RUN); /* refused later, in words */
}

static void to_remove_all_takes_an_image_and_no_bitmap(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--remove-all", "x"), PARSE_RUN);
        assert_true(options.remove_all);
        assert_int_equal(options.metadata_count, 0);
        assert_int_equal(PARSE("x", "--remove-all", "--output=json"), PARSE_RUN);
        assert_int_equal(PARSE("--remove", "x", "b"), PARSE_RUN);
        assert_false(options.remove_all);
        expect_rejected(PARSE("--remove-all"), MESSAGE_NO_FILENAME, "");
        expect_rejected(PARSE("--remove-all", "x", "b"), MESSAGE_EXTRA_POSITIONAL, "b");
        expect_rejected(PARSE("x", "b", "--remove-all"), MESSAGE_EXTRA_POSITIONAL, "b");
        expect_rejected(PARSE("--remove-al", "x"), MESSAGE_OPTION_UNKNOWN, "--remove-al");
}

static void a_file_name_is_literal(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "json:{\"driver\":\"raw\"}", "b"), PARSE_RUN);
        assert_string_equal(options.filename, "json:{\"driver\":\"raw\"}");
}

static void help_and_version_win_where_they_stand(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--help"), PARSE_HELP);
        assert_int_equal(PARSE("-h"), PARSE_HELP);
        assert_int_equal(PARSE("--add", "x", "b", "c?", "--help"), PARSE_REJECTED);
        assert_int_equal(PARSE("--add", "--help", "--bogus"), PARSE_HELP);
        assert_int_equal(PARSE("--version"), PARSE_VERSION);
        assert_int_equal(PARSE("-V", "--help"), PARSE_VERSION);
}

static void more_flags_than_fit_are_counted_and_not_stored(void **state)
{
        (void)state;
        assert_int_equal(PARSE("--add", "--add", "--add", "--add", "--add", "--add",
                               "--add", "--add", "--clear", "--merge", "1", "--merge",
                               "2", "--merge", "3", "--merge", "4", "--merge", "5",
                               "--merge", "6", "--merge", "7", "--merge", "8", "--merge",
                               "9", "x", "b"),
                         PARSE_RUN);
        assert_int_equal(options.metadata_count, 9);
        assert_int_equal(options.metadata[7], ABI_ACTION_ADD);
        assert_int_equal(options.source_count, 9);
        assert_string_equal(options.sources[7], "8");
}

static void help_tells_every_long_option(void **state)
{
        (void)state;
        for (const struct option *option = bitmap_long_options(); option->name;
             option++) {
                char word[64] = "--";
                strcat(word, option->name);
                if (!strstr(bitmap_help, word))
                        fail_msg("--help does not tell %s", word);
        }
        assert_non_null(strstr(bitmap_help, "Exit codes:"));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(repeated_flags_keep_their_true_order),
            cmocka_unit_test(options_may_stand_behind_positionals),
            cmocka_unit_test(posixly_correct_changes_nothing),
            cmocka_unit_test(behind_two_dashes_everything_is_positional),
            cmocka_unit_test(arguments_may_be_attached_or_begin_with_a_dash),
            cmocka_unit_test(the_last_granularity_format_and_output_count),
            cmocka_unit_test(unambiguous_abbreviations_are_understood),
            cmocka_unit_test(ambiguous_abbreviations_are_rejected_with_the_candidates),
            cmocka_unit_test(options_of_our_own_make_no_abbreviation_ambiguous),
            cmocka_unit_test(options_of_our_own_are_understood_in_full),
            cmocka_unit_test(the_memory_limit_has_bounds_and_is_rounded_up),
            cmocka_unit_test(unsupported_options_are_parsed),
            cmocka_unit_test(unknown_options_are_rejected_by_name),
            cmocka_unit_test(a_missing_or_needless_argument_is_rejected),
            cmocka_unit_test(only_human_and_json_are_outputs),
            cmocka_unit_test(exactly_two_positionals_are_taken),
            cmocka_unit_test(to_remove_all_takes_an_image_and_no_bitmap),
            cmocka_unit_test(a_file_name_is_literal),
            cmocka_unit_test(help_and_version_win_where_they_stand),
            cmocka_unit_test(more_flags_than_fit_are_counted_and_not_stored),
            cmocka_unit_test(help_tells_every_long_option),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
