/* SPDX-License-Identifier: MIT */
/*
 * Every bitmap goes in one transaction, with all that is proved to be theirs; what
 * something else, or another of them, uses too stays and is told.
 */
#include <string.h>

#include "guest/ops/bitmap.h"
#include "tests/unit/ops/fixture.h"

#define IN_USE 1u
#define AUTO   2u

#define ENTRIES 4u /* 128 Ki bits, 16 KiB */

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = 64ull << 20,
    .data_clusters = 4,
    .snapshots = 1,
    .bitmap_count = 3,
    .bitmaps = {{.name = "one", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "two",
                 .fill = MADE_DATA,
                 .granularity_bits = 9,
                 .flags = IN_USE | AUTO},
                {.name = "three", .fill = MADE_SPARSE, .extra_length = 16, .seed = 3}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static enum abi_code remove_all(void)
{
        return ops_run(&ops, "", "A");
}

static void nothing_of_them_is_left(void **state)
{
        (void)state;
        for (int stale = 0; stale < 2; stale++) {
                ops.options.stale = stale;
                ops_make(&ops, &ops.options);
                assert_int_equal(remove_all(), ABI_OK);
                assert_int_equal(ops.outcome.result.affected, 3);
                assert_int_equal(ops.outcome.result.actions_applied, 1);
                assert_int_equal(ops.outcome.result.leaked_clusters, 0);
                assert_false(ops.read.has_extension);
                assert_int_equal(ops.read.autoclear & 1, 0);
                assert_int_equal(ops.image->size, ops.places.tables[0]);
        }
}

static void where_there_is_none_nothing_is_written(void **state)
{
        (void)state;
        ops.options.bitmap_count = 0;
        for (int emptied = 0; emptied < 2; emptied++) {
                ops.options.emptied_record = emptied;
                ops_make(&ops, &ops.options);
                assert_int_equal(remove_all(), ABI_OK);
                assert_int_equal(ops.outcome.result.affected, 0);
                assert_int_equal(ops.outcome.result.actions_applied, 1);
                assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
                assert_true(native_image_equal(ops.image, &ops.before));
        }
}

static void a_dry_run_counts_and_writes_nothing(void **state)
{
        (void)state;
        ops.flags = ABI_CALL_DRY_RUN;
        ops.damaged = true; /* what is told is not what is there */
        assert_int_equal(remove_all(), ABI_OK);
        assert_int_equal(ops.outcome.result.affected, 3);
        assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
        assert_true(native_image_equal(ops.image, &ops.before));
}

/* The first table's second entry names something else, whose refcount stays; all else
 * is freed. */
static void contested(uint64_t offset, uint16_t refcount)
{
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[0] + 8, offset);
        assert_int_equal(remove_all(), ABI_OK);
        assert_int_equal(peek_refcount(ops.image, offset / 4096), refcount);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[0] / 4096), 0);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[2] / 4096), 0);
}

static void data_of_two_bitmaps_stays(void **state)
{
        (void)state;
        contested(peek64(ops.image, ops.places.tables[1] + 16), 1);
}

static void table_of_another_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.tables[1], 1);
}

static void directory_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.directory, 1);
}

static void guest_data_as_data_stays(void **state)
{
        (void)state;
        ops.options.snapshots = 0;
        ops_make(&ops, &ops.options);
        contested(ops.places.first_data, 1);
}

static void refcount_table_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.refcount_table, 1);
}

/* Unlike one that stays: who goes needs no sound table, and what the others name is
 * known. */
static void table_that_makes_no_sense_keeps_no_other(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[1] + 8, 3);
        poke64(ops.image, ops.places.entries[2], 1ull << 40);
        assert_int_equal(remove_all(), ABI_OK);
        assert_int_equal(ops.read.bitmap_count, 0);
        assert_int_equal(ops.read.corruptions, 0);
        for (uint64_t i = 0; i <= ENTRIES; i++) {
                uint64_t cluster = ops.places.tables[0] / 4096 + i;
                assert_int_equal(peek_refcount(ops.image, cluster), 0);
        }
}

/* Another program writes at the last moment before the journal. */
struct intruder {
        uint64_t doorbell;
        uint64_t offset;
};

static void intrude(void *context, struct native_image *image, uint64_t doorbell)
{
        const struct intruder *intruder = context;
        uint8_t byte;
        if (doorbell != intruder->doorbell)
                return;
        native_image_read(image, intruder->offset, &byte, 1);
        byte ^= 1;
        native_image_write(image, intruder->offset, &byte, 1);
}

static void change_of_any_table_is_noticed(void **state)
{
        struct abi_call call;
        (void)state;
        ops_call(&call, "", "A", 0, NULL);
        for (size_t i = 0; i < 3; i++) {
                ops_make(&ops, &base);
                uint64_t last = native_run(ops.host, guest_main, &call).doorbells;
                ops_make(&ops, &base);
                struct intruder intruder = {last, ops.places.tables[i] + 5};
                native_host_set_hook(ops.host, intrude, &intruder);
                struct native_outcome outcome = native_run(ops.host, guest_main, &call);
                native_host_set_hook(ops.host, NULL, NULL);
                assert_int_equal(outcome.status, NATIVE_CHANGED);
                assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
        }
}

/* Tables of several batches, and more holes to be punched than may be declared at once:
 * every second cluster of a dense bitmap is lost before. */
static void more_runs_than_may_be_declared_are_released_in_parts(void **state)
{
        const uint64_t entries = 2 * (ABI_MAX_PENDING + 100);
        const uint64_t each = entries / 4;
        struct made_options options = {
            .cluster_bits = 10,
            .virtual_size = each * 8192 * 512,
            .bitmap_count = 4,
        };
        (void)state;
        for (uint32_t i = 0; i < 4; i++)
                options.bitmaps[i] = (struct made_bitmap){.name = &"abcd"[i],
                                                          .name_length = 1,
                                                          .granularity_bits = 9,
                                                          .fill = MADE_DATA,
                                                          .seed = i};
        ops_make(&ops, &options);
        for (uint32_t i = 0; i < 4; i++)
                for (uint64_t entry = 1; entry < each; entry += 2)
                        poke64(ops.image, ops.places.tables[i] + entry * 8, 0);
        ops_look(&ops);
        assert_int_equal(ops.known_leaks, entries / 2);
        assert_int_equal(remove_all(), ABI_OK);
        assert_int_equal(ops.outcome.result.affected, 4);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
}

int main(void)
{
#define REMOVE_ALL(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            REMOVE_ALL(nothing_of_them_is_left),
            REMOVE_ALL(where_there_is_none_nothing_is_written),
            REMOVE_ALL(a_dry_run_counts_and_writes_nothing),
            REMOVE_ALL(data_of_two_bitmaps_stays),
            REMOVE_ALL(table_of_another_as_data_stays),
            REMOVE_ALL(directory_as_data_stays),
            REMOVE_ALL(guest_data_as_data_stays),
            REMOVE_ALL(refcount_table_as_data_stays),
            REMOVE_ALL(table_that_makes_no_sense_keeps_no_other),
            REMOVE_ALL(change_of_any_table_is_noticed),
            REMOVE_ALL(more_runs_than_may_be_declared_are_released_in_parts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
