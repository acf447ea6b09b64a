/* SPDX-License-Identifier: MIT */
/* Where clusters come from. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/allocator.h"

static struct image image;
static struct allocator allocator;
static struct made_places places;
static struct extent extent;
static bool device;

static void make(uint32_t data_clusters, uint32_t free_clusters)
{
        struct made_options options = {.cluster_bits = 9,
                                       .virtual_size = 16 << 20,
                                       .data_clusters = data_clusters,
                                       .free_clusters = free_clusters,
                                       .bitmap_count = 1,
                                       .bitmaps = {{.name = "b", .fill = MADE_DATA}}};
        make_image(guest_image, &options, &places);
        device = false;
}

static void begin(uint64_t total)
{
        assert_int_equal(image_open(&image, guest_image->size, device), ABI_OK);
        assert_int_equal(allocator_begin(&image, total, &allocator), ABI_OK);
}

static void expect_run(uint64_t count, uint64_t first)
{
        assert_int_equal(allocate_run(&allocator, count, &extent), ABI_OK);
        assert_int_equal(extent.count, count);
        assert_int_equal(extent.first, first);
}

static void take_at_the_end(void)
{
        uint64_t end = (guest_image->size + 511) / 512;
        begin(10);
        expect_run(1, end);
        expect_run(3, end + 1);
        assert_int_equal(allocator_finish(&allocator), ABI_OK);
        assert_int_equal(allocator.planned_blocks, 0);
        assert_int_equal(allocator.new_table.count, 0);
}

static void clusters_come_from_the_end(void **state)
{
        (void)state;
        make(20, 0);
        in_guest(take_at_the_end);
        native_image_resize(guest_image, guest_image->size - 100); /* partly there */
        in_guest(take_at_the_end);
}

static void take_holes(void)
{
        uint64_t hole = places.free_clusters / 512;
        begin(20);
        expect_run(2, hole);
        expect_run(3, hole + 2);
        expect_run(2, (guest_image->size + 511) / 512); /* one is left */
        expect_run(1, hole + 5);
}

static void holes_inside_the_file_come_first(void **state)
{
        (void)state;
        make(20, 6);
        in_guest(take_holes);
}

static void take_what_is_no_hole(void)
{
        begin(20);
        expect_run(1, places.free_clusters / 512 + 1);
        expect_run(1, places.free_clusters / 512 + 2);
        expect_run(1, guest_image->size / 512);
}

/* Refcount 0, but there is something: it may be all that is left of it. */
static void free_cluster_with_data_is_not_taken(void **state)
{
        (void)state;
        make(20, 3);
        poke64(guest_image, places.free_clusters, 1);
        in_guest(take_what_is_no_hole);
}

/* Runs of all lengths over the border of a block: disjoint, free, each block planned. */
static void take_many(void)
{
        uint64_t total = 0;
        uint64_t last = guest_image->size / 512;
        begin(1500);
        for (uint64_t count = 1; total < 1200; count = count % 40 + 1) {
                assert_int_equal(allocate_some(&allocator, count, &extent), ABI_OK);
                assert_in_range(extent.count, 1, count);
                assert_true(extent.first >= last);
                last = extent.first + extent.count;
                total += extent.count;
        }
        for (uint64_t i = 0; i <= last / 256; i++) {
                uint64_t block;
                assert_int_equal(refcounts_block(&image.refcounts, i, &block), ABI_OK);
                assert_true(block != 0);
        }
        assert_int_equal(allocator.planned_blocks, last / 256);
        assert_int_equal(allocator_finish(&allocator), ABI_OK);
        assert_int_equal(allocator.new_table.count, 0);
}

static void missing_blocks_are_planned_on_the_way(void **state)
{
        (void)state;
        make(20, 0);
        in_guest(take_many);
}

static void take_more_than_the_table_counts(void)
{
        begin(17000);
        assert_int_equal(allocate_run(&allocator, 17000, &extent), ABI_OK);
        assert_int_equal(allocator_finish(&allocator), ABI_OK);
        uint64_t entries = allocator.new_table.count * 64;
        assert_true(allocator.table_full);
        assert_in_range(entries, 96, 192);
        assert_true(allocator.new_table.first >= extent.first + extent.count);
}

static void table_that_is_full_is_replaced(void **state)
{
        (void)state;
        make(20, 0);
        in_guest(take_more_than_the_table_counts);
}

static void find_refcount_behind(void)
{
        begin(5);
        assert_int_equal(allocate_run(&allocator, 1, &extent), ABI_OK);
        assert_int_equal(allocate_run(&allocator, 2, &extent), ABI_BAD_REFCOUNTS);
}

static void refcount_behind_the_end_is_refused(void **state)
{
        (void)state;
        make(20, 0);
        poke_refcount(guest_image, guest_image->size / 512 + 2, 1);
        in_guest(find_refcount_behind);
}

static void take_all_of_a_device(void)
{
        uint64_t end = places.directory / 512 + 1; /* the maker's last cluster */
        begin(20);
        expect_run(4, end);
        expect_run(1, end + 4);
        assert_int_equal(allocate_run(&allocator, 2, &extent), ABI_NO_SPACE);
        expect_run(1, end + 5);
        assert_int_equal(allocate_some(&allocator, 1, &extent), ABI_NO_SPACE);
}

static void device_ends_where_it_ends(void **state)
{
        (void)state;
        make(20, 0);
        native_image_resize(guest_image, guest_image->size + 6 * 512 + 511);
        device = true;
        in_guest(take_all_of_a_device);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(clusters_come_from_the_end),
            IN_GUEST(holes_inside_the_file_come_first),
            IN_GUEST(free_cluster_with_data_is_not_taken),
            IN_GUEST(missing_blocks_are_planned_on_the_way),
            IN_GUEST(table_that_is_full_is_replaced),
            IN_GUEST(refcount_behind_the_end_is_refused),
            IN_GUEST(device_ends_where_it_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
