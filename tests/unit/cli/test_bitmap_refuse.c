/* SPDX-License-Identifier: MIT */
/* The host's refusals: each row, each boundary, and for each pair which of the two wins.
 */
#include "tests/unit/cli/cmocka_all.h"

#include <string.h>

#include "host/cli/bitmap_refuse.h"

static struct abi_call call;
static struct message_values values;
static char name_1023[1024];
static char name_1024[1025];

static int make_names(void **state)
{
        (void)state;
        memset(name_1023, 'n', 1023);
        memset(name_1024, 'n', 1024);
        return 0;
}

/* A request with nothing wrong and nothing asked. */
static struct bitmap_options harmless(void)
{
        return (struct bitmap_options){.filename = "x.qcow2", .target = "b0"};
}

static void add_action(struct bitmap_options *options, uint32_t action)
{
        if (options->metadata_count < ABI_MAX_ACTIONS)
                options->metadata[options->metadata_count] = action;
        options->metadata_count++;
        options->adds |= action == ABI_ACTION_ADD;
}

static void add_source(struct bitmap_options *options, const char *name)
{
        if (options->source_count < ABI_MAX_MERGE_SOURCES)
                options->sources[options->source_count] = name;
        options->source_count++;
}

static enum message refuse(const struct bitmap_options *options)
{
        return bitmap_refuse(options, &call, &values);
}

static struct bitmap_options adding(const char *granularity)
{
        struct bitmap_options options = harmless();

        add_action(&options, ABI_ACTION_ADD);
        options.granularity = granularity;
        return options;
}

static struct bitmap_options merging(size_t count, const char *name)
{
        struct bitmap_options options = harmless();

        while (count--)
                add_source(&options, name);
        return options;
}

static void a_granularity_is_a_power_of_two_between_512_and_2G(void **state)
{
        static const char *const refused[] = {"0",          "1",
                                              "511",        "513",
                                              "1536",       "1.5k",
                                              "",           " 512",
                                              "512 ",       "512kk",
                                              "foo",        "-1",
                                              "3G",         "4G",
                                              "2147483649", "4294967808",
                                              "4294967296", "8E",
                                              "16E",        "0x201",
                                              "0x",         "18446744073709551616"};
        static const struct {
                const char *text;
                uint64_t granularity;
        } taken[] = {
            {"512", 512},
            {"0x200", 512},
            {"1k", 1024},
            {"64K", 65536},
            {"1M", 1 << 20},
            {"2G", UINT64_C(2) << 30},
            {"2g", UINT64_C(2) << 30},
            {"2147483648", UINT64_C(2) << 30},
        };

        (void)state;
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                struct bitmap_options options = adding(refused[i]);
                if (refuse(&options) != MESSAGE_GRANULARITY)
                        fail_msg("-g '%s' was not refused", refused[i]);
        }
        for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
                struct bitmap_options options = adding(taken[i].text);
                assert_int_equal(refuse(&options), MESSAGE_NONE);
                assert_int_equal(call.granularity, taken[i].granularity);
        }
}

static void no_granularity_asks_for_the_default(void **state)
{
        struct bitmap_options options = adding(NULL);

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.granularity, 0);
}

static void eight_actions_are_taken_nine_are_too_many(void **state)
{
        struct bitmap_options options = harmless();

        (void)state;
        for (uint32_t i = 0; i < 8; i++)
                add_action(&options, i % 2 ? ABI_ACTION_REMOVE : ABI_ACTION_ADD);
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.action_count, 8);
        assert_memory_equal(call.actions, ((uint32_t[]){1, 2, 1, 2, 1, 2, 1, 2}),
                            sizeof call.actions);
        add_action(&options, ABI_ACTION_CLEAR);
        assert_int_equal(refuse(&options), MESSAGE_TOO_MANY_ACTIONS);
}

static void all_merge_flags_are_one_action(void **state)
{
        struct bitmap_options options = merging(8, "s");

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.action_count, 1);
        assert_int_equal(call.actions[0], ABI_ACTION_MERGE);
        assert_int_equal(call.source_count, 8);
        for (uint32_t i = 0; i < 7; i++)
                add_action(&options, ABI_ACTION_CLEAR);
        assert_int_equal(refuse(&options), MESSAGE_MERGE_MIXED); /* 8 actions, not 15 */
        add_action(&options, ABI_ACTION_CLEAR);
        assert_int_equal(refuse(&options), MESSAGE_TOO_MANY_ACTIONS);
}

static void nine_sources_are_too_many(void **state)
{
        struct bitmap_options options = merging(9, "s");

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_TOO_MANY_SOURCES);
}

static void a_target_name_has_1_to_1023_bytes(void **state)
{
        struct bitmap_options options = adding(NULL);

        (void)state;
        options.target = "";
        assert_int_equal(refuse(&options), MESSAGE_TARGET_LENGTH);
        options.target = name_1024;
        assert_int_equal(refuse(&options), MESSAGE_TARGET_LENGTH);
        options.target = name_1023;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.target_length, 1023);
        assert_memory_equal(call.target, name_1023, 1024);
}

static void a_source_name_has_1_to_1023_bytes(void **state)
{
        struct bitmap_options options = merging(1, "");

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_SOURCE_LENGTH);
        options = merging(1, name_1024);
        assert_int_equal(refuse(&options), MESSAGE_SOURCE_LENGTH);
        options = merging(1, name_1023);
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.source_length[0], 1023);
}

static void a_bad_name_is_told_before_a_full_pool(void **state)
{
        struct bitmap_options options = merging(3, name_1023);

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NAMES_POOL);
        add_source(&options, "");
        assert_int_equal(refuse(&options), MESSAGE_SOURCE_LENGTH);
}

static void the_pool_holds_2048_bytes_of_names(void **state)
{
        struct bitmap_options options = merging(2, name_1023);

        (void)state;
        add_source(&options, "ab");
        assert_int_equal(refuse(&options), MESSAGE_NONE); /* 2048 */
        assert_int_equal(call.source_count, 3);
        assert_int_equal(call.source_offset[2], 2046);
        assert_int_equal(call.source_length[2], 2);
        assert_memory_equal(call.names + 2046, "ab", 2);
        add_source(&options, "c");
        assert_int_equal(refuse(&options), MESSAGE_NAMES_POOL); /* 2049 */
        options.sources[2] = "abc";
        options.source_count = 3;
        assert_int_equal(refuse(&options), MESSAGE_NAMES_POOL); /* 2049 */
}

static void only_qcow2_is_a_format(void **state)
{
        static const char *const refused[] = {"raw", "QCOW2", "qcow", "qcow2 ", ""};
        struct bitmap_options options = adding(NULL);

        (void)state;
        options.common.format = "qcow2";
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                options.common.format = refused[i];
                assert_int_equal(refuse(&options), MESSAGE_FORMAT);
                assert_string_equal(values.argument, refused[i]);
        }
}

static void the_ownership_scan_is_left_out_only_on_request(void **state)
{
        struct bitmap_options options = adding(NULL);

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.flags, 0);
        options.common.no_ownership_scan = true;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.flags, ABI_CALL_NO_OWNERSHIP_SCAN);
}

static void to_remove_all_is_one_action_and_names_no_bitmap(void **state)
{
        struct bitmap_options options = {.filename = "x.qcow2", .remove_all = true};

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NONE);
        assert_int_equal(call.action_count, 1);
        assert_int_equal(call.actions[0], ABI_ACTION_REMOVE_ALL);
        assert_int_equal(call.target_length, 0);
        options.granularity = "64k";
        assert_int_equal(refuse(&options), MESSAGE_GRANULARITY_WITHOUT_ADD);
        options.granularity = NULL;
        add_source(&options, "s");
        assert_int_equal(refuse(&options), MESSAGE_REMOVE_ALL_MIXED);
}

/* ---- precedence ---- */

static void spoil_object(struct bitmap_options *options)
{
        options->object = true;
}

static void spoil_image_opts(struct bitmap_options *options)
{
        options->image_opts = true;
}

static void spoil_cross_file(struct bitmap_options *options)
{
        options->cross_file = true;
}

static void spoil_granularity_without_add(struct bitmap_options *options)
{
        options->granularity = "64k";
        if (!options->metadata_count)
                add_action(options, ABI_ACTION_CLEAR);
}

static void spoil_remove_all_mixed(struct bitmap_options *options)
{
        options->remove_all = true;
        if (!options->metadata_count && !options->source_count)
                add_action(options, ABI_ACTION_CLEAR);
}

static void spoil_too_many_actions(struct bitmap_options *options)
{
        while (options->metadata_count < 9)
                add_action(options, ABI_ACTION_CLEAR);
}

static void spoil_merge_mixed(struct bitmap_options *options)
{
        if (!options->source_count)
                add_source(options, "s");
        if (!options->metadata_count)
                add_action(options, ABI_ACTION_CLEAR);
}

static void spoil_too_many_sources(struct bitmap_options *options)
{
        while (options->source_count < 9)
                add_source(options, "s");
}

/* The one row that needs --add; it cannot meet a row that forbids it. */
static void spoil_granularity(struct bitmap_options *options)
{
        options->granularity = "3";
        if (!options->adds)
                add_action(options, ABI_ACTION_ADD);
}

static void spoil_target(struct bitmap_options *options)
{
        options->target = "";
}

static void spoil_source(struct bitmap_options *options)
{
        add_source(options, "");
}

static void spoil_pool(struct bitmap_options *options)
{
        for (int i = 0; i < 3; i++)
                add_source(options, name_1023);
}

static void spoil_format(struct bitmap_options *options)
{
        options->common.format = "raw";
}

static const struct {
        enum message message;
        void (*spoil)(struct bitmap_options *options);
} order[] = {
    {MESSAGE_OBJECT, spoil_object},
    {MESSAGE_IMAGE_OPTS, spoil_image_opts},
    {MESSAGE_CROSS_FILE, spoil_cross_file},
    {MESSAGE_GRANULARITY_WITHOUT_ADD, spoil_granularity_without_add},
    {MESSAGE_REMOVE_ALL_MIXED, spoil_remove_all_mixed},
    {MESSAGE_TOO_MANY_ACTIONS, spoil_too_many_actions},
    {MESSAGE_MERGE_MIXED, spoil_merge_mixed},
    {MESSAGE_TOO_MANY_SOURCES, spoil_too_many_sources},
    {MESSAGE_GRANULARITY, spoil_granularity},
    {MESSAGE_TARGET_LENGTH, spoil_target},
    {MESSAGE_SOURCE_LENGTH, spoil_source},
    {MESSAGE_NAMES_POOL, spoil_pool},
    {MESSAGE_FORMAT, spoil_format},
};

#define ROWS (sizeof order / sizeof order[0])

/*
 * Put the earlier wrong into a request that already has the later one: the earlier is
 * told. Left out are pairs that no command line can have: a granularity row of --add with
 * "-g without
 * --add", and with source rows (which then are "merge mixed").
 */
static void the_earlier_of_two_refusals_is_told(void **state)
{
        (void)state;
        for (size_t late = 1; late < ROWS; late++) {
                for (size_t early = 0; early < late; early++) {
                        struct bitmap_options options = harmless();
                        enum message told;

                        if (order[late].message == MESSAGE_GRANULARITY &&
                            order[early].message == MESSAGE_GRANULARITY_WITHOUT_ADD)
                                continue;
                        if (order[early].message == MESSAGE_GRANULARITY &&
                            (order[late].message == MESSAGE_SOURCE_LENGTH ||
                             order[late].message == MESSAGE_NAMES_POOL))
                                continue;
                        if (order[early].message == MESSAGE_TOO_MANY_SOURCES &&
                            order[late].message == MESSAGE_GRANULARITY)
                                continue;
                        order[late].spoil(&options);
                        order[early].spoil(&options);
                        if (!options.metadata_count && !options.source_count)
                                add_action(&options, ABI_ACTION_CLEAR);
                        told = refuse(&options);
                        if (told != order[early].message)
                                fail_msg("rows %zu and %zu gave message %d", early, late,
                                         (int)told);
                }
        }
}

static void no_action_is_told_after_the_unsupported_and_before_the_rest(void **state)
{
        static void (*const before[])(struct bitmap_options *) = {
            spoil_object, spoil_image_opts, spoil_cross_file};
        static const enum message told[] = {MESSAGE_OBJECT, MESSAGE_IMAGE_OPTS,
                                            MESSAGE_CROSS_FILE};
        struct bitmap_options options = harmless();

        (void)state;
        assert_int_equal(refuse(&options), MESSAGE_NO_ACTION);
        options.granularity = "3";
        options.target = "";
        options.common.format = "raw";
        assert_int_equal(refuse(&options), MESSAGE_NO_ACTION);
        for (size_t i = 0; i < 3; i++) {
                options = harmless();
                before[i](&options);
                assert_int_equal(refuse(&options), told[i]);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_granularity_is_a_power_of_two_between_512_and_2G),
            cmocka_unit_test(no_granularity_asks_for_the_default),
            cmocka_unit_test(eight_actions_are_taken_nine_are_too_many),
            cmocka_unit_test(all_merge_flags_are_one_action),
            cmocka_unit_test(nine_sources_are_too_many),
            cmocka_unit_test(a_target_name_has_1_to_1023_bytes),
            cmocka_unit_test(a_source_name_has_1_to_1023_bytes),
            cmocka_unit_test(a_bad_name_is_told_before_a_full_pool),
            cmocka_unit_test(the_pool_holds_2048_bytes_of_names),
            cmocka_unit_test(only_qcow2_is_a_format),
            cmocka_unit_test(the_ownership_scan_is_left_out_only_on_request),
            cmocka_unit_test(to_remove_all_is_one_action_and_names_no_bitmap),
            cmocka_unit_test(the_earlier_of_two_refusals_is_told),
            cmocka_unit_test(no_action_is_told_after_the_unsupported_and_before_the_rest),
        };

        return cmocka_run_group_tests(tests, make_names, NULL);
}
