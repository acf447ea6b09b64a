/* SPDX-License-Identifier: MIT */
/* Each action, and actions in sequence: what the image says afterwards. */
#include <string.h>

#include "tests/unit/ops/ops.h"

#define AUTO 2u

static const uint32_t all_cluster_bits[] = {9, 12, 16, 21};

/* The tests run at every cluster size, with three bitmaps of which one has data. */
static void start(struct ops *ops, uint32_t cluster_bits)
{
        struct made_options options = {
            .cluster_bits = cluster_bits,
            .virtual_size = (64ull << 20) + 12345 * 512,
            .data_clusters = 3,
            .bitmap_count = 3,
            .bitmaps = {{.name = "first", .flags = AUTO, .fill = MADE_DATA, .seed = 1},
                        {.name = "second", .fill = MADE_SPARSE, .seed = 2},
                        {.name = "third", .flags = AUTO, .fill = MADE_EMPTY}},
        };
        ops_make(ops, &options);
}

typedef void scenario_function(struct ops *ops);

static void at_every_cluster_size(scenario_function *scenario)
{
        struct ops ops;
        ops_open(&ops);
        for (size_t i = 0; i < 4; i++) {
                start(&ops, all_cluster_bits[i]);
                scenario(&ops);
        }
        ops_close(&ops);
}

static void add(struct ops *ops)
{
        assert_int_equal(ops_run(ops, "new", "a"), ABI_OK);
        const struct read_bitmap *bitmap = ops_bitmap(ops, "new");
        assert_int_equal(bitmap->flags, AUTO);
        uint32_t expected = ops->read.cluster_bits < 12 ? 12 : ops->read.cluster_bits;
        assert_int_equal(bitmap->granularity_bits, expected > 16 ? 16 : expected);
        assert_int_equal(ops_bits_set(ops, "new"), 0);
        assert_ptr_equal(bitmap, &ops->read.bitmaps[3]); /* at the end */
        assert_int_equal(ops->outcome.result.actions_applied, 1);
        assert_int_equal(ops->outcome.result.bitmaps, 4);
}

static void add_makes_an_empty_enabled_bitmap_at_the_end(void **state)
{
        (void)state;
        at_every_cluster_size(add);
}

static void add_granularities(struct ops *ops)
{
        char name[] = "g00";
        for (uint32_t bits = 12; bits <= 31; bits++) {
                name[1] = (char)('0' + bits / 10);
                name[2] = (char)('0' + bits % 10);
                assert_int_equal(ops_add(ops, name, 1ull << bits), ABI_OK);
                assert_int_equal(ops_bitmap(ops, name)->granularity_bits, bits);
        }
}

static void add_takes_the_granularity_asked_for(void **state)
{
        (void)state;
        at_every_cluster_size(add_granularities);
}

static void remove_each(struct ops *ops)
{
        assert_int_equal(ops_run(ops, "second", "r"), ABI_OK);
        assert_int_equal(ops->read.bitmap_count, 2);
        assert_int_equal(ops_run(ops, "third", "r"), ABI_OK);
        assert_int_equal(ops_run(ops, "first", "r"), ABI_OK);
        assert_false(ops->read.has_extension);
        assert_int_equal(ops->read.autoclear & 1, 0);
        assert_int_equal(ops->read.leaks, 0);
}

static void remove_frees_everything(void **state)
{
        (void)state;
        at_every_cluster_size(remove_each);
}

static void clear(struct ops *ops)
{
        assert_true(ops_bits_set(ops, "first") > 0);
        assert_int_equal(ops_run(ops, "first", "c"), ABI_OK);
        assert_int_equal(ops_bits_set(ops, "first"), 0);
        assert_int_equal(ops_bitmap(ops, "first")->data_clusters, 0);
        assert_int_equal(ops_bitmap(ops, "first")->flags, AUTO);
        assert_int_equal(ops_run(ops, "first", "c"), ABI_OK); /* nothing left to do */
        assert_int_equal(native_trace_changes(native_host_trace(ops->host)), 0);
}

static void clear_drops_every_bit_and_its_clusters(void **state)
{
        (void)state;
        at_every_cluster_size(clear);
}

static void flags(struct ops *ops)
{
        assert_int_equal(ops_run(ops, "first", "d"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "first")->flags, 0);
        assert_int_equal(ops_run(ops, "second", "e"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "second")->flags, AUTO);
        assert_int_equal(ops_run(ops, "first", "de"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "first")->flags, AUTO);
}

static void enable_and_disable_change_the_auto_flag(void **state)
{
        (void)state;
        at_every_cluster_size(flags);
}

/* Four bytes: nothing of the list is rewritten. */
static void disable_writes_four_bytes(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        start(&ops, 16);
        assert_int_equal(ops_run(&ops, "second", "e"), ABI_OK);
        assert_int_equal(ops.outcome.bytes_written, 4);
        assert_int_equal(ops.outcome.syncs, 1);
        ops_close(&ops);
}

static void recreate(struct ops *ops)
{
        assert_int_equal(ops_run(ops, "first", "ra"), ABI_OK);
        assert_int_equal(ops_bits_set(ops, "first"), 0);
        assert_ptr_equal(ops_bitmap(ops, "first"), &ops->read.bitmaps[2]);
        assert_int_equal(ops->outcome.result.actions_applied, 2);
        assert_int_equal(ops_run(ops, "second", "rad"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "second")->flags, 0);
        assert_int_equal(ops_run(ops, "third", "cdrae"), ABI_OK);
        assert_int_equal(ops_run(ops, "new", "ara"), ABI_OK);
        assert_ptr_equal(ops_bitmap(ops, "new"), &ops->read.bitmaps[3]);
}

static void remove_and_add_is_a_new_bitmap_at_the_end(void **state)
{
        (void)state;
        at_every_cluster_size(recreate);
}

static void sequences(struct ops *ops)
{
        assert_int_equal(ops_run(ops, "first", "dc"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "first")->flags, 0);
        assert_int_equal(ops_bits_set(ops, "first"), 0);
        assert_int_equal(ops_run(ops, "second", "ec"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "second")->flags, AUTO);
        assert_int_equal(ops_bits_set(ops, "second"), 0);
        assert_int_equal(ops_run(ops, "new", "ad"), ABI_OK);
        assert_int_equal(ops_bitmap(ops, "new")->flags, 0);
        assert_int_equal(ops_run(ops, "new", "edcedced"), ABI_OK);
}

static void sequences_have_the_effect_of_their_actions_in_order(void **state)
{
        (void)state;
        at_every_cluster_size(sequences);
}

static void no_ops(struct ops *ops)
{
        static const char *const calls[][2] = {
            {"first", "e"},   {"second", "d"},    {"third", "c"},
            {"first", "de"},  {"first", "ede"},   {"third", "cec"},
            {"nobody", "ar"}, {"nobody", "arar"}, {"nobody", "adcr"},
        };
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                assert_int_equal(ops_run(ops, calls[i][0], calls[i][1]), ABI_OK);
                assert_int_equal(native_host_trace(ops->host)->count, 0);
                assert_true(native_image_equal(ops->image, &ops->before));
                assert_int_equal(ops->outcome.result.actions_applied,
                                 strlen(calls[i][1]));
                assert_int_equal(ops->outcome.result.bitmaps, 3);
        }
}

static void net_no_op_writes_nothing(void **state)
{
        (void)state;
        at_every_cluster_size(no_ops);
}

/* Without any bitmap, with and without what makes the header hard. */
static void first_and_last(struct ops *ops)
{
        struct made_options options = {.cluster_bits = ops->read.cluster_bits,
                                       .data_clusters = 2};
        static const char *const backings[] = {NULL, "base.qcow2"};
        for (int i = 0; i < 16; i++) {
                options.backing = backings[i & 1];
                options.record_before = i & 2 ? 20 : 0;
                options.header_length = i & 4 ? 104 : 112;
                options.autoclear = i & 8 ? 4 : 0;
                ops_make(ops, &options);
                uint64_t size = ops->image->size;
                assert_int_equal(ops_run(ops, "only", "a"), ABI_OK);
                assert_int_equal(ops->read.autoclear, 1);
                assert_int_equal(ops_run(ops, "other", "a"), ABI_OK);
                assert_int_equal(ops_run(ops, "only", "r"), ABI_OK);
                assert_int_equal(ops_run(ops, "other", "r"), ABI_OK);
                assert_int_equal(ops->read.autoclear, 0);
                assert_int_equal(ops->image->size, size);
        }
}

static void first_and_last_bitmap_come_and_go(void **state)
{
        (void)state;
        at_every_cluster_size(first_and_last);
}

/* A thousand rounds must not grow the file. */
static void rounds(struct ops *ops)
{
        uint64_t size = ops->image->size;
        for (int i = 0; i < (ops->read.cluster_bits > 16 ? 20 : 100); i++) {
                assert_int_equal(ops_run(ops, "round", "a"), ABI_OK);
                assert_int_equal(ops_run(ops, "round", "r"), ABI_OK);
        }
        assert_true(ops->image->size <= size + 8 * ops->read.cluster_size);
}

static void add_and_remove_for_ever_keeps_the_files_size(void **state)
{
        (void)state;
        at_every_cluster_size(rounds);
}

static void rotation(struct ops *ops)
{
        char name[] = "r000";
        uint64_t size = ops->image->size;
        for (int i = 0; i < (ops->read.cluster_bits > 16 ? 40 : 300); i++) {
                name[1] = (char)('0' + i / 100);
                name[2] = (char)('0' + i / 10 % 10);
                name[3] = (char)('0' + i % 10);
                assert_int_equal(ops_run(ops, name, "a"), ABI_OK);
                if (i < 3)
                        continue;
                name[1] = (char)('0' + (i - 3) / 100);
                name[2] = (char)('0' + (i - 3) / 10 % 10);
                name[3] = (char)('0' + (i - 3) % 10);
                assert_int_equal(ops_run(ops, name, "r"), ABI_OK);
        }
        assert_true(ops->image->size <= size + 64 * ops->read.cluster_size);
}

static void rotation_for_ever_keeps_the_files_size(void **state)
{
        (void)state;
        at_every_cluster_size(rotation);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(add_makes_an_empty_enabled_bitmap_at_the_end),
            cmocka_unit_test(add_takes_the_granularity_asked_for),
            cmocka_unit_test(remove_frees_everything),
            cmocka_unit_test(clear_drops_every_bit_and_its_clusters),
            cmocka_unit_test(enable_and_disable_change_the_auto_flag),
            cmocka_unit_test(disable_writes_four_bytes),
            cmocka_unit_test(remove_and_add_is_a_new_bitmap_at_the_end),
            cmocka_unit_test(sequences_have_the_effect_of_their_actions_in_order),
            cmocka_unit_test(net_no_op_writes_nothing),
            cmocka_unit_test(first_and_last_bitmap_come_and_go),
            cmocka_unit_test(add_and_remove_for_ever_keeps_the_files_size),
            cmocka_unit_test(rotation_for_ever_keeps_the_files_size),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
