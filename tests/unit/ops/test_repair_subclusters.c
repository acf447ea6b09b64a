/* SPDX-License-Identifier: MIT */
/*
 * Extended L2 entries: a bitmap that cannot be says zeros where nothing can be read, and
 * keeps what can.
 */
#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/repairs.h"

#define CLUSTER    16384u
#define MASK       0x00fffffffffffe00ull
#define COPIED     (1ull << 63)
#define COMPRESSED (1ull << 62)
#define FAR        (1ull << 40)
#define ALLOCATED  0xffffffffull
#define ZEROS(x)   ((uint64_t)(x) << 32)

#define INCOMPATIBLE 72u
#define EXTENDED_L2  16u

static const struct made_options base = {
    .cluster_bits = 14, .virtual_size = 8ull << 20, .data_clusters = 1};

static uint64_t table(void)
{
        return peek64(ops.image, ops.places.l1) & MASK;
}

/* The first cluster of the disk is the file's, all of its subclusters are allocated. */
static void make(void)
{
        ops_make(&ops, &base);
        poke64(ops.image, INCOMPATIBLE, EXTENDED_L2);
        poke64(ops.image, table(), ops.places.first_data | COPIED);
        poke64(ops.image, table() + 8, ALLOCATED);
}

/* The disk's third cluster, before and afterwards. */
static void becomes(uint64_t entry, uint64_t bitmap, uint64_t mended_entry,
                    uint64_t mended_bitmap, enum abi_repair_kind kind)
{
        make();
        poke64(ops.image, table() + 32, entry);
        poke64(ops.image, table() + 40, bitmap);
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_only(kind)->detail[0], 1);
        if (kind == ABI_REPAIR_DATA_LOST)
                assert_int_equal(repairs_only(kind)->detail[1], 2 * CLUSTER);
        assert_int_equal(peek64(ops.image, table() + 32), mended_entry);
        assert_int_equal(peek64(ops.image, table() + 40), mended_bitmap);
        assert_int_equal(peek64(ops.image, table()), ops.places.first_data | COPIED);
        assert_int_equal(peek64(ops.image, table() + 8), ALLOCATED);
}

static void a_sound_one_is_left_alone(void **state)
{
        (void)state;
        make();
        poke64(ops.image, table() + 40, ZEROS(0xff00ff00));
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_told.count, 0);
}

/* Of the first cluster: the others of its subclusters stay what they are. */
static void a_subcluster_of_zeros_and_data_is_zeros(void **state)
{
        (void)state;
        make();
        poke64(ops.image, table() + 8, ZEROS(0x80000001) | ALLOCATED);
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_only(ABI_REPAIR_DATA_LOST)->detail[0], 1);
        assert_int_equal(peek64(ops.image, table() + 8),
                         ZEROS(0x80000001) | (ALLOCATED & ~0x80000001ull));
        assert_int_equal(peek64(ops.image, table()), ops.places.first_data | COPIED);
}

static void data_of_no_cluster_is_lost(void **state)
{
        (void)state;
        becomes(0, 0x5, 0, ZEROS(0x5), ABI_REPAIR_DATA_LOST);
        becomes(0, ZEROS(0x30) | 0x5, 0, ZEROS(0x35), ABI_REPAIR_DATA_LOST);
}

static void data_of_a_cluster_that_cannot_be_is_lost(void **state)
{
        (void)state;
        becomes(ops.places.first_data + 512, 0xf, 0, ZEROS(0xf), ABI_REPAIR_DATA_LOST);
        becomes(CLUSTER / 2, ZEROS(0xf), 0, ZEROS(0xf), ABI_REPAIR_ENTRIES);
        becomes(FAR | COPIED, ALLOCATED, 0, ZEROS(ALLOCATED), ABI_REPAIR_ENTRIES);
}

/* It has no subclusters; one behind the end of the file is nothing but zeros. */
static void a_compressed_cluster_has_no_bitmap(void **state)
{
        (void)state;
        make();
        uint64_t where = ops.places.first_data;
        poke_refcount(ops.image, where / CLUSTER, 2);
        poke64(ops.image, table(), where);
        poke64(ops.image, table() + 32, COMPRESSED | where);
        poke64(ops.image, table() + 40, ZEROS(1) | 2);
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_only(ABI_REPAIR_ENTRIES)->detail[0], 1);
        assert_int_equal(peek64(ops.image, table() + 32), COMPRESSED | where);
        assert_int_equal(peek64(ops.image, table() + 40), 0);
        becomes(COMPRESSED | FAR, 0, 0, ZEROS(ALLOCATED), ABI_REPAIR_DATA_LOST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
        static const struct CMUnitTest tests[] = {
            TEST(a_sound_one_is_left_alone),
            TEST(a_subcluster_of_zeros_and_data_is_zeros),
            TEST(data_of_no_cluster_is_lost),
            TEST(data_of_a_cluster_that_cannot_be_is_lost),
            TEST(a_compressed_cluster_has_no_bitmap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
