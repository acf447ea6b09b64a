/* SPDX-License-Identifier: MIT */
/*
 * Repairs of block devices, which keep their size: one that ends inside a cluster above
 * all, where metadata begin on the device and go on behind its end, as zeros.
 */
#include <string.h>

#include "tests/unit/ops/damage.h"
#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/random_edits.h"
#include "tests/unit/ops/repairs.h"

#define ALL     ABI_CALL_REPAIR_ALL
#define CLUSTER 4096u
#define RUNS    300u

/* What is on the device now is what there is. */
static void end_at(uint64_t size)
{
        assert_true(native_image_resize(ops.image, size));
        native_host_set_block_device(ops.host, true);
}

/*
 * An image whose only refcount block is its last cluster; and the device ends behind
 * that block's first 512 bytes, which count 256 clusters.
 */
static void make_cut_block(uint32_t data_clusters)
{
        struct made_options options = {.cluster_bits = 12,
                                       .virtual_size = 2ull << 20,
                                       .data_clusters = data_clusters};
        uint8_t block[CLUSTER];

        native_host_set_block_device(ops.host, false);
        ops_make(&ops, &options);
        uint64_t last = ops.image->size / CLUSTER;
        poke_refcount(ops.image, ops.places.refcount_block / CLUSTER, 0);
        poke_refcount(ops.image, last, 1);
        native_image_read(ops.image, ops.places.refcount_block, block, sizeof block);
        assert_true(native_image_resize(ops.image, (last + 1) * CLUSTER));
        native_image_write(ops.image, last * CLUSTER, block, sizeof block);
        poke64(ops.image, ops.places.refcount_table, last * CLUSTER);
        end_at(last * CLUSTER + 512);
}

/* What it counts there is written to nowhere: a new block would be needed, and there is
 * no room for it behind the old one. */
static void refcounts_behind_the_end_of_a_device_are_not_written(void **state)
{
        (void)state;
        make_cut_block(300);
        assert_int_equal(repairs_run(&ops, ALL), ABI_UNREPAIRABLE);
        assert_int_equal(ops.outcome.result.detail[0], ABI_UNREPAIRABLE_FULL);
        assert_int_equal(repairs_run(&ops, ALL | ABI_CALL_DRY_RUN), ABI_UNREPAIRABLE);
        assert_int_equal(repairs_run(&ops, 0), ABI_OK); /* no leaks */
        assert_int_equal(repairs_told.count, 0);
}

/* As long as its clusters are counted in front of the end, the block is as good as any.
 */
static void refcounts_in_front_of_the_end_of_a_device_are_mended_in_place(void **state)
{
        (void)state;
        make_cut_block(100);
        uint64_t end = ops.image->size;
        uint64_t block = end / CLUSTER;
        native_image_write(ops.image,
                           block * CLUSTER + 2 * (ops.places.first_data / CLUSTER),
                           "\0\0\0\7", 4);
        repairs_all(&ops, 0);
        assert_int_equal(ops.image->size, end);
        assert_int_equal(repairs_count(ABI_REPAIR_REBUILT), 0);
        assert_int_equal(repairs_only(ABI_REPAIR_REFCOUNTS)->detail[0], 1);
        assert_int_equal(repairs_only(ABI_REPAIR_LEAKS)->detail[0], 1);
}

/* A cluster that the device has in part is none to take. */
static void new_clusters_fit_the_device_whole_or_nothing_is_written(void **state)
{
        static const struct made_options options = {
            .cluster_bits = 12, .virtual_size = 2ull << 20, .data_clusters = 4};
        (void)state;
        for (uint32_t sectors = 0; sectors <= 16; sectors++) {
                native_host_set_block_device(ops.host, false);
                ops_make(&ops, &options);
                uint64_t end = ops.image->size;
                /* No block: table and block are built anew, two clusters. */
                poke64(ops.image, ops.places.refcount_table, 0);
                end_at(end + sectors * 512);
                if (sectors < 16) {
                        assert_int_equal(repairs_run(&ops, ALL), ABI_UNREPAIRABLE);
                        assert_int_equal(ops.outcome.result.detail[0],
                                         ABI_UNREPAIRABLE_FULL);
                } else {
                        repairs_all(&ops, 0);
                        assert_int_equal(repairs_only(ABI_REPAIR_REBUILT)->detail[0],
                                         end);
                }
                assert_int_equal(ops.image->size, end + sectors * 512);
        }
}

/* Random damage on a device that ends somewhere in the image's last clusters. */
static void a_device_that_ends_inside_a_cluster_keeps_its_end(void **state)
{
        uint32_t repaired = 0;
        uint32_t refused = 0;
        (void)state;
        for (uint64_t seed = 1; seed <= RUNS; seed++) {
                struct made_options options;

                print_message("\rseed %llu ", (unsigned long long)seed);
                native_host_set_block_device(ops.host, false);
                random_start(seed);
                random_image(&options);
                options.cut = 0;
                ops_make(&ops, &options);
                for (uint64_t i = random_below(3); i; i--)
                        damage_once(&ops);
                uint64_t size = ops.image->size;
                uint64_t sectors = (1ull << options.cluster_bits) / 512;
                uint64_t cut = random_below(sectors * (1 + random_below(3)) + 1) * 512;
                end_at((size - (cut < size / 2 ? cut : 0)) / 512 * 512);
                enum abi_code code = repairs_run(&ops, ALL);
                refused += code != ABI_OK;
                repaired += !code && repairs_told.count;
        }
        print_message("\r%u refused, %u repaired\n", refused, repaired);
        assert_true(repaired > RUNS / 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
        const struct CMUnitTest tests[] = {
            TEST(refcounts_behind_the_end_of_a_device_are_not_written),
            TEST(refcounts_in_front_of_the_end_of_a_device_are_mended_in_place),
            TEST(new_clusters_fit_the_device_whole_or_nothing_is_written),
            TEST(a_device_that_ends_inside_a_cluster_keeps_its_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
