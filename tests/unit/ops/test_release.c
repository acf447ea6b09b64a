/* SPDX-License-Identifier: MIT */
/*
 * What is freed, and what is not: a cluster that something else claims too stays,
 * is counted as leaked, and nothing foreign changes.
 */
#include <string.h>

#include "guest/ops/bitmap.h"
#include "tests/unit/ops/fixture.h"

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = 64ull << 20,
    .data_clusters = 4,
    .snapshots = 1,
    .bitmap_count = 2,
    .bitmaps = {{.name = "victim", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "bystander", .fill = MADE_DATA, .granularity_bits = 9}},
};

#define VICTIM_ENTRIES 4u /* 128 Ki bits, 16 KiB */

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static void removed_clusters_are_free_and_the_tail_is_cut(void **state)
{
        (void)state;
        uint64_t size = ops.image->size;
        assert_int_equal(ops_run(&ops, "bystander", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        assert_int_equal(ops.read.leaks, 0);
        /* The directory, which stays, was behind it: holes. */
        assert_int_equal(ops.image->size, size);
        for (uint64_t i = 0; i <= VICTIM_ENTRIES; i++) {
                uint64_t at = ops.places.tables[1] + i * 4096;
                assert_int_equal(peek_refcount(ops.image, at / 4096), 0);
                assert_true(native_image_is_hole(ops.image, at, 4096));
        }
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(ops.image->size, ops.places.tables[0]);
}

/* The victim's second table entry names something else.  What that is changes neither
 * its refcount nor a byte; the rest is freed. */
static void contested(uint64_t offset, uint16_t refcount)
{
        uint8_t before[4096];
        uint8_t after[4096];
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[0] + 8, offset);
        native_image_read(ops.image, offset, before, sizeof before);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        native_image_read(ops.image, offset, after, sizeof after);
        if (refcount != UINT16_MAX)
                assert_memory_equal(before, after, sizeof before);
        if (refcount != UINT16_MAX)
                assert_int_equal(peek_refcount(ops.image, offset / 4096), refcount);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[0] / 4096), 0);
}

static void refcount_table_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.refcount_table, 1);
}

static void refcount_block_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.refcount_block, UINT16_MAX); /* others of it are freed */
        assert_int_equal(peek_refcount(ops.image, ops.places.refcount_block / 4096), 1);
}

static void l1_table_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.l1, 1);
}

static void snapshot_table_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.snapshot_table, 1);
}

static void guest_data_as_data_stays(void **state)
{
        (void)state;
        ops.options.snapshots = 0;
        ops_make(&ops, &ops.options);
        contested(ops.places.first_data, 1);
}

static void guest_data_of_a_snapshot_stays(void **state)
{
        (void)state;
        contested(ops.places.first_data, 2);
}

static void other_bitmaps_table_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.tables[1], 1);
}

static void other_bitmaps_data_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.tables[1] + 4096, 1);
}

static void directory_as_data_stays(void **state)
{
        (void)state;
        contested(ops.places.directory, UINT16_MAX); /* the entry goes */
        assert_int_equal(ops.read.bitmap_count, 1);
        assert_int_equal(ops.read.corruptions, 0);
}

/* Of the last entry: the directory is only cut shorter, so it is somebody else's. */
static void directory_that_stays_as_data_stays(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[1] + 8, ops.places.directory);
        assert_int_equal(ops_run(&ops, "bystander", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.directory / 4096), 1);
        assert_int_equal(peek64(ops.image, ops.places.directory), ops.places.tables[0]);
        assert_int_equal(ops.read.bitmap_count, 1);
        assert_int_equal(ops.read.corruptions, 0);
}

/* The entry of "victim" has 32 bytes. */
static void directory_as_table_is_not_zeroed(void **state)
{
        uint8_t before[32];
        uint8_t after[32];
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.directory + 32, ops.places.directory);
        native_image_read(ops.image, ops.places.directory, before, sizeof before);
        assert_int_equal(ops_run(&ops, "bystander", "c"), ABI_OK);
        native_image_read(ops.image, ops.places.directory, after, sizeof after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_not_equal(peek64(ops.image, ops.places.directory + 32),
                             ops.places.directory);
        assert_int_equal(peek_refcount(ops.image, ops.places.directory / 4096), 1);
}

static void own_cluster_named_twice_stays(void **state)
{
        (void)state;
        contested(peek64(ops.image, ops.places.tables[0] + 16), 1);
}

static void own_table_as_data_stays(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[0] + 8, ops.places.tables[0]);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[0] / 4096), 1);
}

static void shared_refcount_stays(void **state)
{
        (void)state;
        ops.damaged = true;
        poke_refcount(ops.image, ops.places.tables[0] / 4096 + 2, 2);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[0] / 4096 + 2), 2);
}

/* Without the scan an L2 entry is not looked for; that is what the user has asked for. */
static void without_the_scan_only_l2_entries_are_trusted(void **state)
{
        (void)state;
        ops.options.snapshots = 0;
        ops_make(&ops, &ops.options);
        ops.damaged = true;
        ops.flags = ABI_CALL_NO_OWNERSHIP_SCAN;
        poke64(ops.image, ops.places.tables[0] + 8, ops.places.first_data);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(peek_refcount(ops.image, ops.places.first_data / 4096), 0);
        ops_make(&ops, &ops.options);
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[0] + 8, ops.places.l1);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
}

/* A malformed table of another bitmap: nothing can be proved, all of it leaks. */
static void nothing_is_freed_where_nothing_can_be_proved(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[1] + 8, 3);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        /* With the table, and the directory that the entry was cut out of. */
        assert_int_equal(ops.outcome.result.leaked_clusters, VICTIM_ENTRIES + 2);
        assert_int_equal(peek_refcount(ops.image, ops.places.tables[0] / 4096), 1);
}

/* Clusters behind the end of the file are not there to be leaked. */
static void table_outside_the_file_is_removed(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.entries[0], 1ull << 40);
        assert_int_equal(ops_run(&ops, "victim", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        assert_int_equal(ops.read.bitmap_count, 1);
}

/* Clearing in place a table that is also something else would harm that. */
static void contested_table_is_replaced_not_zeroed(void **state)
{
        uint8_t before[4096];
        uint8_t after[4096];
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.entries[0], ops.places.first_data);
        poke64(ops.image, ops.places.first_data, 1); /* one entry in one sector */
        for (uint64_t i = 1; i < 64; i++)
                poke64(ops.image, ops.places.first_data + i * 8, 0);
        native_image_read(ops.image, ops.places.first_data, before, sizeof before);
        assert_int_equal(ops_run(&ops, "victim", "c"), ABI_OK);
        native_image_read(ops.image, ops.places.first_data, after, sizeof after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_not_equal(peek64(ops.image, ops.places.entries[0]),
                             ops.places.first_data);
}

/* Where the directory is in a cluster that something else uses, an entry is not
 * written in place. */
static void contested_directory_is_replaced_not_written(void **state)
{
        (void)state;
        ops.damaged = true;
        poke_refcount(ops.image, ops.places.directory / 4096, 2);
        assert_int_equal(ops_run(&ops, "victim", "e"), ABI_OK);
        assert_int_equal(ops_bitmap(&ops, "victim")->flags, 2);
        assert_int_not_equal(ops.read.directory_offset, ops.places.directory);
        assert_int_equal(peek_refcount(ops.image, ops.places.directory / 4096), 2);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
}

/* Another program writes between our reads and the journal. */
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

static void change_of_what_the_plan_rests_on_is_noticed(void **state)
{
        const uint64_t offsets[] = {ops.places.entries[1] + 12, ops.places.tables[0] + 5,
                                    89, ops.places.bitmaps_record + 9};
        struct abi_call call;
        (void)state;
        for (size_t i = 0; i < 4; i++) {
                ops_make(&ops, &base);
                ops_call(&call, "victim", "c", 0, NULL);
                struct native_outcome outcome = native_run(ops.host, guest_main, &call);
                uint64_t last = outcome.doorbells;
                ops_make(&ops, &base);
                struct intruder intruder = {last, offsets[i]};
                native_host_set_hook(ops.host, intrude, &intruder);
                outcome = native_run(ops.host, guest_main, &call);
                native_host_set_hook(ops.host, NULL, NULL);
                assert_int_equal(outcome.status, NATIVE_CHANGED);
                assert_false(outcome.committed);
                assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
        }
}

static void failed_write_before_the_switch_is_rolled_back(void **state)
{
        struct abi_call call;
        uint64_t failures = 0;
        (void)state;
        ops_call(&call, "new", "a", 0, NULL);
        for (uint64_t nth = 1;; nth++) {
                ops_make(&ops, &base);
                native_image_copy(&ops.before, ops.image);
                native_host_fail_write(ops.host, nth);
                struct native_outcome outcome = native_run(ops.host, guest_main, &call);
                if (outcome.status == NATIVE_OK)
                        break;
                assert_int_equal(outcome.status, NATIVE_WRITE_ERROR);
                if (!outcome.committed)
                        assert_true(native_image_equal(ops.image, &ops.before));
                failures++;
        }
        native_host_fail_write(ops.host, 0);
        assert_in_range(failures, 3, 20);
}

int main(void)
{
#define RELEASE(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            RELEASE(removed_clusters_are_free_and_the_tail_is_cut),
            RELEASE(refcount_table_as_data_stays),
            RELEASE(refcount_block_as_data_stays),
            RELEASE(l1_table_as_data_stays),
            RELEASE(snapshot_table_as_data_stays),
            RELEASE(guest_data_as_data_stays),
            RELEASE(guest_data_of_a_snapshot_stays),
            RELEASE(other_bitmaps_table_as_data_stays),
            RELEASE(other_bitmaps_data_as_data_stays),
            RELEASE(directory_as_data_stays),
            RELEASE(directory_that_stays_as_data_stays),
            RELEASE(directory_as_table_is_not_zeroed),
            RELEASE(own_cluster_named_twice_stays),
            RELEASE(own_table_as_data_stays),
            RELEASE(shared_refcount_stays),
            RELEASE(without_the_scan_only_l2_entries_are_trusted),
            RELEASE(nothing_is_freed_where_nothing_can_be_proved),
            RELEASE(table_outside_the_file_is_removed),
            RELEASE(contested_table_is_replaced_not_zeroed),
            RELEASE(contested_directory_is_replaced_not_written),
            RELEASE(change_of_what_the_plan_rests_on_is_noticed),
            RELEASE(failed_write_before_the_switch_is_rolled_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
