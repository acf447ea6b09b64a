/* SPDX-License-Identifier: MIT */
/*
 * Refcounts that are wrong become right where they lie, whatever their width; structures
 * that cannot be relied on, or are too narrow, are built anew.
 */
#include <string.h>

#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/repairs.h"

#define CLUSTER 4096u
#define MASK    0x00fffffffffffe00ull
#define COPIED  (1ull << 63)
#define WIDTH   96u /* of refcounts, in the header: its logarithm */
#define TABLE   48u /* the refcount table's offset, in the header */

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .data_clusters = 9,
    .free_clusters = 9,
    .bitmap_count = 2,
    .bitmaps = {{.name = "one", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "two", .granularity_bits = 10, .fill = MADE_DATA}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static uint64_t l2_entry(uint64_t index)
{
        return (peek64(ops.image, ops.places.l1) & MASK) + index * 8;
}

static void a_sound_image_is_left_alone(void **state)
{
        (void)state;
        for (uint32_t bits = 9; bits <= 16; bits++) {
                ops.options.cluster_bits = bits;
                ops.options.snapshots = bits % 3;
                ops_make(&ops, &ops.options);
                assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
                assert_int_equal(repairs_told.count, 0);
                assert_int_equal(repairs_run(&ops, 0), ABI_OK);
                assert_int_equal(repairs_told.count, 0);
        }
}

static void a_refcount_too_low_is_raised(void **state)
{
        uint64_t cluster = ops.places.tables[0] / CLUSTER;
        (void)state;
        poke_refcount(ops.image, cluster, 0);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_REFCOUNTS, 1);
        assert_int_equal(peek_refcount(ops.image, cluster), 1);
}

static void leaks_are_given_back(void **state)
{
        uint64_t cluster = ops.places.free_clusters / CLUSTER;
        (void)state;
        for (uint32_t flags = 0; flags <= ABI_CALL_REPAIR_ALL;
             flags += ABI_CALL_REPAIR_ALL) {
                poke_refcount(ops.image, cluster, 0xffff);
                poke_refcount(ops.image, cluster + 5, 1);
                assert_int_equal(repairs_run(&ops, flags), ABI_OK);
                repairs_expect(ABI_REPAIR_LEAKS, 2);
                assert_int_equal(peek_refcount(ops.image, cluster), 0);
                assert_int_equal(peek_refcount(ops.image, cluster + 5), 0);
        }
}

/* Of a file that was cut: an edit that makes it longer would be refused for ever. */
static void refcounts_behind_the_end_go(void **state)
{
        (void)state;
        ops.options.free_clusters = 0;
        ops_make(&ops, &ops.options);
        ops.damaged = true;
        uint64_t end = ops.image->size / CLUSTER;
        poke_refcount(ops.image, end, 1);
        poke_refcount(ops.image, end + 200, 3);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_BAD_REFCOUNTS);
        assert_int_equal(repairs_run(&ops, 0), ABI_OK);
        assert_int_equal(repairs_told.count, 0);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_LEAKS, 2);
        assert_int_equal(peek_refcount(ops.image, end), 0);
        assert_int_equal(peek_refcount(ops.image, end + 200), 0);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
}

/* Both are counted by one word. */
static void mere_leaks_leave_other_refcounts_alone(void **state)
{
        uint64_t cluster = ops.places.tables[0] / CLUSTER / 4 * 4;
        uint64_t low = peek_refcount(ops.image, cluster) ? 0 : 1;
        (void)state;
        poke_refcount(ops.image, cluster + low, 7);
        while (peek_refcount(ops.image, cluster + ++low) == 0)
                ;
        assert_in_range(low, 1, 3);
        uint64_t before = ops.read.corruptions;
        poke_refcount(ops.image, cluster + low, 0);
        assert_int_equal(repairs_run(&ops, 0), ABI_OK);
        repairs_expect(ABI_REPAIR_LEAKS, 1);
        assert_int_equal(peek_refcount(ops.image, cluster + low), 0);
        ops_look(&ops);
        assert_int_equal(ops.read.corruptions, before + 1);
        assert_int_equal(ops.read.leaks, 0);
}

static void refcounts_of_all_clusters_at_once_come_right(void **state)
{
        (void)state;
        for (uint64_t cluster = 0; cluster < ops.image->size / CLUSTER; cluster++)
                poke_refcount(ops.image, cluster, (uint16_t)(cluster * 7 % 5));
        repairs_all(&ops, 0);
        assert_int_equal(repairs_count(ABI_REPAIR_REFCOUNTS), 1);
        assert_int_equal(repairs_count(ABI_REPAIR_LEAKS), 1);
        assert_int_equal(repairs_count(ABI_REPAIR_REBUILT), 0);
}

/* The host ends a guest that rings for each word. */
static void many_refcounts_take_few_doorbells(void **state)
{
        (void)state;
        ops.options.free_clusters = 1600;
        ops_make(&ops, &ops.options);
        uint64_t first = ops.places.free_clusters / CLUSTER;
        for (uint64_t i = 0; i < 1600; i += 8)
                poke_refcount(ops.image, first + i, 1);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_LEAKS, 200);
        assert_in_range(ops.outcome.doorbells, 1, 100);
}

static void flags_follow_the_refcounts(void **state)
{
        uint64_t entry = l2_entry(0);
        uint64_t l1 = peek64(ops.image, ops.places.l1);
        (void)state;
        poke64(ops.image, entry, peek64(ops.image, entry) & ~COPIED);
        poke64(ops.image, ops.places.l1, l1 & ~COPIED);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_COPIED, 2);
        assert_true(peek64(ops.image, entry) & COPIED);
        assert_int_equal(peek64(ops.image, ops.places.l1), l1);
        ops.options.snapshots = 1;
        ops_make(&ops, &ops.options);
        poke64(ops.image, l2_entry(1), peek64(ops.image, l2_entry(1)) | COPIED);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_COPIED, 1);
        assert_false(peek64(ops.image, l2_entry(1)) & COPIED);
}

/* ---- widths --------------------------------------------------------------------------
 */

/* The same refcounts, `1 << order` bits each. */
static void set_width(uint32_t order)
{
        static uint16_t refcounts[CLUSTER / 2];
        uint64_t block = ops.places.refcount_block;
        uint64_t clusters = ops.image->size / CLUSTER;
        uint32_t width = 1u << order;
        assert_true(clusters <= CLUSTER * 8 / width);
        for (uint64_t i = 0; i < clusters; i++)
                refcounts[i] = peek_refcount(ops.image, i);
        memset(ops.image->bytes + block, 0, CLUSTER);
        for (uint64_t i = 0; i < clusters; i++) {
                uint64_t bit = i * width;
                if (width < 8)
                        ops.image->bytes[block + bit / 8] |=
                            (uint8_t)(refcounts[i] << bit % 8);
                else
                        ops.image->bytes[block + (bit + width) / 8 - 1] =
                            (uint8_t)refcounts[i];
        }
        poke32(ops.image, WIDTH, order);
}

/* Too low, and of a free cluster too high: in place. */
static void refcounts_of_every_width_are_mended(void **state)
{
        (void)state;
        for (uint32_t order = 0; order <= 6; order++) {
                ops_make(&ops, &base);
                poke_refcount(ops.image, ops.places.tables[1] / CLUSTER, 0);
                poke_refcount(ops.image, ops.places.tables[0] / CLUSTER, 0);
                poke_refcount(ops.image, ops.places.free_clusters / CLUSTER + 1, 1);
                set_width(order);
                assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
                assert_int_equal(repairs_only(ABI_REPAIR_REFCOUNTS)->detail[0], 2);
                assert_int_equal(repairs_only(ABI_REPAIR_LEAKS)->detail[0], 1);
                assert_int_equal(repairs_told.count, 2);
                assert_int_equal(peek64(ops.image, TABLE), ops.places.refcount_table);
        }
}

/* `uses` entries name the first data cluster. */
static uint32_t order_after(uint32_t order, uint64_t uses)
{
        ops_make(&ops, &base);
        for (uint64_t i = 1; i < uses; i++)
                poke64(ops.image, l2_entry(8 + i), ops.places.first_data);
        set_width(order);
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        return (uint32_t)(peek64(ops.image, WIDTH) >> 32);
}

static void refcounts_become_as_wide_as_they_have_to_be(void **state)
{
        (void)state;
        assert_int_equal(order_after(0, 1), 0);
        assert_int_equal(repairs_told.count, 0);
        assert_int_equal(order_after(0, 2), 1);
        assert_int_equal(repairs_count(ABI_REPAIR_REBUILT), 1);
        assert_int_equal(order_after(0, 3), 1);
        assert_int_equal(order_after(0, 4), 2);
        assert_int_equal(order_after(1, 3), 1);
        assert_int_equal(repairs_count(ABI_REPAIR_REBUILT), 0);
        assert_int_equal(order_after(1, 16), 3);
        assert_int_equal(order_after(2, 15), 2);
        assert_int_equal(order_after(2, 300), 4);
        assert_int_equal(order_after(3, 255), 3);
        assert_int_equal(order_after(3, 256), 4);
}

/* ---- anew ----------------------------------------------------------------------------
 */

static void expect_rebuilt(void)
{
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_REBUILT)->detail[0],
                         peek64(ops.image, TABLE));
        assert_int_not_equal(peek64(ops.image, TABLE), ops.places.refcount_table);
        assert_int_equal(peek_refcount(ops.image, ops.places.refcount_table / CLUSTER),
                         0);
}

static void a_structure_that_makes_no_sense_is_built_anew(void **state)
{
        const uint64_t entries[] = {
            ops.places.refcount_block + 512, /* unaligned */
            ops.places.refcount_block | 1,   /* reserved bits */
            1ull << 40,                      /* behind the end */
            ops.places.first_data,           /* something else, too */
            0,                               /* not there */
        };
        (void)state;
        for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
                ops_make(&ops, &base);
                poke64(ops.image, ops.places.refcount_table, entries[i]);
                expect_rebuilt();
        }
}

static void a_table_that_is_not_there_is_built_anew(void **state)
{
        const uint64_t offsets[] = {0, 100, 1ull << 40, UINT64_MAX};
        (void)state;
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
                ops_make(&ops, &base);
                poke64(ops.image, TABLE, offsets[i]);
                expect_rebuilt();
        }
        ops_make(&ops, &base);
        poke32(ops.image, TABLE + 8, 0);
        expect_rebuilt();
}

static void a_width_that_there_is_not_is_built_anew(void **state)
{
        (void)state;
        poke32(ops.image, WIDTH, 7);
        expect_rebuilt();
        assert_int_equal(peek64(ops.image, WIDTH) >> 32, 4);
}

int main(void)
{
#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        static const struct CMUnitTest tests[] = {
            REPAIR(a_sound_image_is_left_alone),
            REPAIR(a_refcount_too_low_is_raised),
            REPAIR(leaks_are_given_back),
            REPAIR(refcounts_behind_the_end_go),
            REPAIR(mere_leaks_leave_other_refcounts_alone),
            REPAIR(refcounts_of_all_clusters_at_once_come_right),
            REPAIR(many_refcounts_take_few_doorbells),
            REPAIR(flags_follow_the_refcounts),
            REPAIR(refcounts_of_every_width_are_mended),
            REPAIR(refcounts_become_as_wide_as_they_have_to_be),
            REPAIR(a_structure_that_makes_no_sense_is_built_anew),
            REPAIR(a_table_that_is_not_there_is_built_anew),
            REPAIR(a_width_that_there_is_not_is_built_anew),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
