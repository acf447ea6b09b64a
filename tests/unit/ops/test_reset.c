/* SPDX-License-Identifier: MIT */
/*
 * A bitmap that was left in use becomes usable again, all of it dirty; what cannot
 * become usable that way is refused, and what is not in use is left alone.
 */
#include <string.h>

#include "guest/ops/bitmap.h"
#include "tests/unit/ops/fixture.h"

#define IN_USE           1u
#define AUTO             2u
#define EXTRA_COMPATIBLE 4u

/* 128 Ki and 3 bits of 512 bytes: four full entries and one of 3 bits. */
#define BITS (131072u + 3u)

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = 512ull * BITS,
    .data_clusters = 4,
    .snapshots = 1,
    .bitmap_count = 3,
    .bitmaps = {{.name = "left",
                 .fill = MADE_DATA,
                 .granularity_bits = 9,
                 .flags = IN_USE | AUTO},
                {.name = "bystander", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "stopped",
                 .fill = MADE_SPARSE,
                 .granularity_bits = 9,
                 .flags = IN_USE}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static void assert_unchanged(void)
{
        assert_int_equal(ops.outcome.result.affected, 0);
        assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
        assert_true(native_image_equal(ops.image, &ops.before));
}

static void every_bit_is_set_and_the_auto_flag_kept(void **state)
{
        struct read_image old;
        (void)state;
        read_image(ops.image, &old);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_int_equal(ops.outcome.result.affected, 1);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        assert_int_equal(ops_bitmap(&ops, "left")->flags, AUTO);
        assert_int_equal(ops_bits_set(&ops, "left"), BITS);
        assert_int_equal(ops_bitmap(&ops, "left")->data_clusters, 1);
        assert_true(read_same_bitmap(&ops.read.bitmaps[1], &old.bitmaps[1]));
        assert_int_equal(ops.read.bitmaps[1].table_offset, old.bitmaps[1].table_offset);
        assert_int_equal(ops_run(&ops, "stopped", "s"), ABI_OK);
        assert_int_equal(ops_bitmap(&ops, "stopped")->flags, 0);
        assert_int_equal(ops_bits_set(&ops, "stopped"), BITS);
        assert_int_equal(ops_run(&ops, "left", "c"), ABI_OK); /* it is usable */
        assert_int_equal(ops_bits_set(&ops, "left"), 0);
        read_image_free(&old);
}

/* The reader ignores what lies behind the end; another one may not. */
static void no_bit_behind_the_end_is_set(void **state)
{
        uint8_t data[4096];
        uint8_t expected[4096] = {7};
        (void)state;
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        const struct read_bitmap *bitmap = ops_bitmap(&ops, "left");
        uint64_t last = bitmap->table_offset + (bitmap->table_entries - 1) * 8ull;
        native_image_read(ops.image, peek64(ops.image, last), data, sizeof data);
        assert_memory_equal(data, expected, sizeof data);
}

static void a_full_last_cluster_takes_no_data(void **state)
{
        (void)state;
        ops.options.virtual_size = 512ull * 131072;
        ops_make(&ops, &ops.options);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_int_equal(ops_bitmap(&ops, "left")->data_clusters, 0);
        assert_int_equal(ops_bits_set(&ops, "left"), 131072);
}

/* The disk was resized while the bitmap was in use. */
static void the_table_gets_the_size_of_the_disk(void **state)
{
        (void)state;
        ops.damaged = true; /* clusters of the old table's end are lost */
        poke32(ops.image, ops.places.entries[0] + 8, 2);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_string_equal(ops.read.error, "");
        assert_int_equal(ops_bitmap(&ops, "left")->table_entries, 5);
        assert_int_equal(ops_bits_set(&ops, "left"), BITS);
        assert_int_equal(ops.read.corruptions, 0);
}

/* Table offset and flags lie in two sectors: a new directory. */
static void an_entry_across_a_sector_is_published_by_a_new_directory(void **state)
{
        char name[481];
        (void)state;
        memset(name, 'n', sizeof name);
        ops.options.bitmaps[1].name = name;
        ops.options.bitmaps[1].name_length = 504 - 32 - 24;
        ops_make(&ops, &ops.options);
        assert_int_equal((ops.places.entries[2] - ops.places.directory) % 512, 504);
        assert_int_equal(ops_run(&ops, "stopped", "s"), ABI_OK);
        assert_int_not_equal(ops.read.directory_offset, ops.places.directory);
        assert_int_equal(ops_bits_set(&ops, "stopped"), BITS);
        assert_int_equal(ops_bitmap(&ops, "left")->flags, IN_USE | AUTO);
}

static void what_the_old_table_shares_stays(void **state)
{
        (void)state;
        ops.damaged = true;
        poke64(ops.image, ops.places.tables[0] + 8, ops.places.refcount_table);
        poke64(ops.image, ops.places.tables[0] + 16, 3);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        assert_int_equal(peek_refcount(ops.image, ops.places.refcount_table / 4096), 1);
        assert_int_equal(ops_bits_set(&ops, "left"), BITS);
}

static void one_that_is_not_in_use_is_left_alone(void **state)
{
        (void)state;
        assert_int_equal(ops_run(&ops, "bystander", "s"), ABI_OK);
        assert_unchanged();
}

static void what_cannot_become_usable_is_refused(void **state)
{
        (void)state;
        assert_int_equal(ops_run(&ops, "nobody", "s"), ABI_NOT_FOUND);
        ops.options.stale = true;
        ops_make(&ops, &ops.options);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "bystander", "s"), ABI_IN_USE);
        ops.options.stale = false;
        ops.options.bitmaps[0].extra_length = 8;
        ops_make(&ops, &ops.options);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_IN_USE);
        ops.options.bitmaps[0].flags |= EXTRA_COMPATIBLE;
        ops_make(&ops, &ops.options);
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_int_equal(ops_bitmap(&ops, "left")->flags, AUTO | EXTRA_COMPATIBLE);
}

/* 2^33 bits would take a GiB: such a bitmap may be there as long as it is in use. */
static void one_that_does_not_fit_the_disk_is_refused(void **state)
{
        struct made_options options = {
            .cluster_bits = 12,
            .virtual_size = 4ull << 40,
            .bitmap_count = 1,
            .bitmaps = {{.name = "left", .flags = IN_USE}},
        };
        (void)state;
        ops_make(&ops, &options);
        ops.damaged = true;
        poke16(ops.image, ops.places.entries[0] + 16, 1 << 8 | 9); /* type, granularity */
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_TOO_LARGE);
        poke64(ops.image, 24, 0); /* the virtual size */
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_BAD_HEADER);
        assert_int_equal(ops.outcome.result.detail[0], ABI_HEADER_SIZE);
}

static void a_dry_run_plans_and_writes_nothing(void **state)
{
        (void)state;
        ops.flags = ABI_CALL_DRY_RUN;
        ops.damaged = true; /* what is told is not what is there */
        assert_int_equal(ops_run(&ops, "left", "s"), ABI_OK);
        assert_int_equal(ops.outcome.result.affected, 1);
        ops.outcome.result.affected = 0;
        assert_unchanged();
}

int main(void)
{
#define RESET(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            RESET(every_bit_is_set_and_the_auto_flag_kept),
            RESET(no_bit_behind_the_end_is_set),
            RESET(a_full_last_cluster_takes_no_data),
            RESET(the_table_gets_the_size_of_the_disk),
            RESET(an_entry_across_a_sector_is_published_by_a_new_directory),
            RESET(what_the_old_table_shares_stays),
            RESET(one_that_is_not_in_use_is_left_alone),
            RESET(what_cannot_become_usable_is_refused),
            RESET(one_that_does_not_fit_the_disk_is_refused),
            RESET(a_dry_run_plans_and_writes_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
