/* SPDX-License-Identifier: MIT */
/*
 * Block devices: their size is fixed, the image ends behind its last refcount, and what
 * lies behind may be anything.
 */
#include <string.h>

#include "tests/unit/ops/fixture.h"

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = 64ull << 20,
    .data_clusters = 2,
    .bitmap_count = 2,
    .bitmaps = {{.name = "dense", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "empty", .granularity_bits = 9}},
};

/* A device with `spare` clusters behind the image, full of 0xee or zeros. */
static void make_device(const struct made_options *options, uint32_t spare, uint8_t fill)
{
        uint8_t cluster[4096];
        uint64_t size = 1ull << options->cluster_bits;
        ops_make(&ops, options);
        memset(cluster, fill, sizeof cluster);
        uint64_t end = ops.image->size;
        for (uint64_t at = end; fill && at < end + spare * size; at += 512)
                native_image_write(ops.image, at, cluster, 512);
        native_image_resize(ops.image, end + spare * size);
        native_host_set_block_device(ops.host, true);
        ops_look(&ops);
}

static void all_actions(void)
{
        uint64_t size = ops.image->size;
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
        assert_int_equal(ops_bits_set(&ops, "new"), 0);
        assert_int_equal(ops_merge(&ops, "empty", "dense"), ABI_OK);
        assert_int_equal(ops_bits_set(&ops, "empty"), ops_bits_set(&ops, "dense"));
        assert_int_equal(ops_run(&ops, "dense", "c"), ABI_OK);
        assert_int_equal(ops_run(&ops, "new", "ra"), ABI_OK);
        assert_int_equal(ops_run(&ops, "empty", "r"), ABI_OK);
        assert_int_equal(ops_run(&ops, "dense", "r"), ABI_OK);
        assert_int_equal(ops_run(&ops, "new", "r"), ABI_OK);
        assert_int_equal(ops_run(&ops, "again", "a"), ABI_OK);
        assert_int_equal(ops.image->size, size);
}

static void all_actions_on_a_device_of_zeros(void **state)
{
        (void)state;
        make_device(&base, 100, 0);
        all_actions();
}

/* What is taken is zeroed first: bits, refcounts and slack would be garbage. */
static void all_actions_on_a_device_of_garbage(void **state)
{
        (void)state;
        make_device(&base, 100, 0xee);
        all_actions();
}

static void growth_on_a_device_of_garbage(void **state)
{
        struct made_options options = base;
        (void)state;
        options.cluster_bits = 9;
        for (uint32_t data = 170; data < 200; data += 2) {
                options.data_clusters = data;
                make_device(&options, 400, 0xee);
                all_actions();
        }
        for (uint32_t data = 16000; data < 16020; data += 4) {
                options.data_clusters = data;
                make_device(&options, 400, 0xee);
                all_actions();
        }
}

static void full_device_has_no_space(void **state)
{
        (void)state;
        make_device(&base, 0, 0);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_NO_SPACE);
        make_device(&base, 1, 0); /* the table: the entry fits the directory's slack */
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
        assert_int_equal(ops_merge(&ops, "empty", "dense"), ABI_NO_SPACE);
        assert_int_equal(ops_run(&ops, "dense", "d"), ABI_OK);
}

/* Refcount 0, but in use: an L2 entry of a damaged image names it. */
static void garbage_that_is_referenced_is_not_taken(void **state)
{
        (void)state;
        make_device(&base, 4, 0xee);
        uint64_t l2 = peek64(ops.image, ops.places.l1) & 0xfffffffffe00ull;
        uint64_t end = ops.image->size - 4 * 4096;
        poke64(ops.image, l2 + 100 * 8, end | 1ull << 63);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_BAD_REFCOUNTS);
        assert_int_equal(ops.outcome.result.detail[0], end);
}

/* More garbage than the host keeps copies of. */
static void large_merge_on_a_device_of_garbage(void **state)
{
        struct made_options options = {
            .cluster_bits = 16,
            .virtual_size = 80ull << 30,
            .bitmap_count = 2,
            .bitmaps = {{.name = "dense", .fill = MADE_DATA, .granularity_bits = 9},
                        {.name = "empty", .granularity_bits = 9}},
        };
        (void)state;
        make_device(&options, 400, 0xee);
        assert_int_equal(ops_bitmap(&ops, "dense")->data_clusters, 320);
        assert_int_equal(ops_merge(&ops, "empty", "dense"), ABI_OK);
        assert_int_equal(ops_bits_set(&ops, "empty"), ops_bits_set(&ops, "dense"));
}

int main(void)
{
#define DEVICE(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
        const struct CMUnitTest tests[] = {
            DEVICE(all_actions_on_a_device_of_zeros),
            DEVICE(all_actions_on_a_device_of_garbage),
            DEVICE(growth_on_a_device_of_garbage),
            DEVICE(full_device_has_no_space),
            DEVICE(garbage_that_is_referenced_is_not_taken),
            DEVICE(large_merge_on_a_device_of_garbage),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
