/* SPDX-License-Identifier: MIT */
/* Refcounts: where they are found, and what may be written in place. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/image.h"

static struct image image;
static struct made_places places;

static void make(uint32_t data_clusters)
{
        struct made_options options = {.cluster_bits = 9,
                                       .virtual_size = 16 << 20,
                                       .data_clusters = data_clusters,
                                       .snapshots = 2,
                                       .bitmap_count = 1,
                                       .bitmaps = {{.name = "b", .fill = MADE_DATA}}};
        make_image(guest_image, &options, &places);
}

static void open_image(void)
{
        assert_int_equal(image_open(&image, guest_image->size, false), ABI_OK);
}

static uint16_t get(uint64_t cluster)
{
        uint16_t value;
        assert_int_equal(refcount_get(&image.refcounts, cluster, &value), ABI_OK);
        return value;
}

static void compare_all(void)
{
        open_image();
        for (uint64_t c = 0; c < guest_image->size / 512; c++)
                assert_int_equal(get(c), peek_refcount(guest_image, c));
        assert_int_equal(get(guest_image->size / 512 + 3), 0);
        assert_int_equal(get(1ull << 40), 0); /* beyond the table */
        assert_int_equal(get(UINT64_MAX), 0);
}

static void every_refcount_is_found(void **state)
{
        (void)state;
        make(1000);
        in_guest(compare_all);
}

static void set_and_get(void)
{
        open_image();
        assert_int_equal(refcount_set(&image.refcounts, 250, 20, 7), ABI_OK);
        for (uint64_t c = 240; c < 280; c++)
                assert_int_equal(get(c),
                                 c >= 250 && c < 270 ? 7 : peek_refcount(guest_image, c));
        /* No block, and none planned: the allocator's mistake. */
        assert_int_equal(refcount_set(&image.refcounts, 1ull << 30, 1, 1), ABI_OVERFLOW);
}

static void refcounts_are_set_across_blocks(void **state)
{
        (void)state;
        make(1000);
        in_guest(set_and_get);
}

static bool allowed(uint64_t offset, uint64_t length)
{
        bool answer;
        assert_int_equal(image_in_place(&image, offset, length, &answer), ABI_OK);
        return answer;
}

static void ask_for_everything(void)
{
        open_image();
        assert_true(allowed(places.directory, 32));
        assert_true(allowed(places.tables[0], 8));
        assert_false(allowed(places.directory, 0));
        assert_false(allowed(0, 8));
        assert_false(allowed(504, 16));
        assert_false(allowed(places.l1, 8));
        assert_false(allowed(places.refcount_table, 8));
        assert_false(allowed(places.refcount_block, 8));
        assert_false(allowed(places.refcount_block + 1024, 8));
        assert_false(allowed(places.snapshot_table, 8));
        assert_false(allowed(peek64(guest_image, places.snapshot_table), 8));
        assert_false(allowed(peek64(guest_image, places.snapshot_table + 64), 8));
        assert_false(allowed(places.first_data, 8)); /* three references */
        assert_false(allowed(guest_image->size - 8, 16));
        assert_false(allowed(UINT64_MAX - 7, 16));
        /* From a cluster that may be written into one that may not. */
        assert_false(allowed(places.refcount_table - 8, 16));
}

static void structures_are_not_written_over(void **state)
{
        (void)state;
        make(1000);
        in_guest(ask_for_everything);
}

static void ask_with_unknown_snapshots(void)
{
        open_image();
        assert_false(allowed(places.directory, 32));
}

static void snapshots_that_cannot_be_walked_may_be_anywhere(void **state)
{
        (void)state;
        make(10);
        poke32(guest_image, places.snapshot_table + 36, UINT32_MAX); /* extra data */
        in_guest(ask_with_unknown_snapshots);
        make(10);
        poke64(guest_image, places.snapshot_table, UINT64_MAX - 511);
        in_guest(ask_with_unknown_snapshots);
        make(10);
        poke32(guest_image, places.snapshot_table + 8, UINT32_MAX); /* L1 entries */
        in_guest(ask_with_unknown_snapshots);
}

static bool block_allowed(uint64_t index)
{
        bool answer;
        assert_int_equal(image_block_in_place(&image, index, &answer), ABI_OK);
        return answer;
}

static void ask_for_blocks(void)
{
        open_image();
        assert_true(block_allowed(0));
        assert_false(block_allowed(1)); /* named twice */
        assert_false(block_allowed(2));
        assert_false(block_allowed(3));  /* refcount 2 */
        assert_false(block_allowed(60)); /* there is none */
        assert_false(block_allowed(UINT64_MAX));
}

static void blocks_are_written_where_they_are_nothing_else(void **state)
{
        (void)state;
        make(1000);
        poke64(guest_image, places.refcount_table + 16, places.refcount_block + 512);
        poke_refcount(guest_image, (places.refcount_block + 3 * 512) / 512, 2);
        in_guest(ask_for_blocks);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(every_refcount_is_found),
            IN_GUEST(refcounts_are_set_across_blocks),
            IN_GUEST(structures_are_not_written_over),
            IN_GUEST(snapshots_that_cannot_be_walked_may_be_anywhere),
            IN_GUEST(blocks_are_written_where_they_are_nothing_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
