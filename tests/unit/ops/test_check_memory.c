/* SPDX-License-Identifier: MIT */
/* With little memory the checker finds the same, in several passes. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/ops/checked.h"

#define MUCH   (256ull << 20)
#define LITTLE (4ull << 20) /* the least that the command line takes */
#define NONE   (ABI_ARENA_BASE + (512ull << 10)) /* the walks alone take more */

/* Its clusters are more than the counters that fit into little memory, several times. */
static const struct made_options long_file = {
    .cluster_bits = 9,
    .virtual_size = 16ull << 20,
    .data_clusters = 3000,
    .free_clusters = 1500000,
    .snapshots = 1,
    .bitmap_count = 2,
    .bitmaps = {{.name = "data", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE}},
};

static int compare_findings(const void *left, const void *right)
{
        return memcmp(left, right, sizeof(struct abi_finding));
}

/* Passes find clusters in another order than one pass finds kinds. */
static struct found sorted_check(uint64_t memory)
{
        native_host_set_memory_limit(checked_ops.host, memory);
        check();
        qsort(found.findings, found.finding_count, sizeof *found.findings,
              compare_findings);
        return found;
}

/* Everywhere in the file, some of it where one pass ends and the next begins. */
static void damage_all_over(void)
{
        uint64_t clusters = checked_ops.image->size >> long_file.cluster_bits;
        for (uint64_t cluster = 0; cluster < clusters; cluster += 5003)
                poke_refcount(checked_ops.image, cluster, 7);
        for (uint64_t cluster = 256; cluster < clusters; cluster += 50 * 256) {
                poke_refcount(checked_ops.image, cluster - 1, 3);
                poke_refcount(checked_ops.image, cluster, 2);
        }
        poke_refcount(checked_ops.image, clusters - 1, 0);
        /* Shared with the first pass's clusters and with the last one's: told once. */
        poke64(checked_ops.image, checked_ops.places.tables[0],
               checked_ops.places.first_data);
        poke64(checked_ops.image, checked_ops.places.tables[0] + 8,
               (clusters - 1) << long_file.cluster_bits);
        poke64(checked_ops.image, checked_ops.places.tables[0] + 16, 1ull << 41);
}

static void several_passes_find_what_one_finds(void **state)
{
        static struct found one;
        static struct found several;
        (void)state;
        ops_make(&checked_ops, &long_file);
        damage_all_over();
        one = sorted_check(MUCH);
        several = sorted_check(LITTLE);
        assert_int_equal(one.sums.passes, 1);
        assert_true(several.sums.passes > 2);
        assert_true(one.finding_count > 200);
        assert_int_equal(several.finding_count, one.finding_count);
        assert_memory_equal(several.findings, one.findings,
                            one.finding_count * sizeof *one.findings);
        assert_int_equal(several.damage_count, one.damage_count);
        several.sums.passes = one.sums.passes;
        assert_memory_equal(&several.sums, &one.sums, sizeof one.sums);
}

static void a_sound_image_is_sound_in_several_passes(void **state)
{
        (void)state;
        ops_make(&checked_ops, &long_file);
        native_host_set_memory_limit(checked_ops.host, LITTLE);
        check();
        assert_true(found.sums.passes > 2);
        assert_int_equal(found.finding_count, 0);
        assert_int_equal(found.damage_count, 0);
        assert_int_equal(found.sums.allocated_clusters, long_file.data_clusters);
}

static uint64_t passes_of(uint64_t clusters)
{
        native_image_resize(checked_ops.image, clusters << long_file.cluster_bits);
        native_host_set_memory_limit(checked_ops.host, LITTLE);
        check();
        return found.sums.passes;
}

/* The smallest number that takes a pass more: that of whole passes, and the cluster
 * behind the end, which may be referred to. */
static uint64_t whole_passes(void)
{
        uint64_t low = checked_ops.image->size >> long_file.cluster_bits;
        uint64_t passes = passes_of(low);
        uint64_t high = low;
        while (passes_of(high) == passes)
                high += 1u << 17;
        while (high - low > 1) {
                uint64_t middle = low + (high - low) / 2;
                if (passes_of(middle) == passes)
                        low = middle;
                else
                        high = middle;
        }
        return high;
}

static void the_last_pass_looks_behind_the_end(void **state)
{
        struct made_options options = long_file;
        static struct found one;
        static struct found several;
        (void)state;
        options.free_clusters = 600000;
        options.snapshots = 0;
        ops_make(&checked_ops, &options);
        passes_of(whole_passes());
        uint64_t l2 =
            peek64(checked_ops.image, checked_ops.places.l1) & 0x00fffffffffffe00ull;
        poke64(checked_ops.image, l2, 1ull << 63 | 1ull << 41);
        one = sorted_check(MUCH);
        several = sorted_check(LITTLE);
        assert_true(several.sums.passes > 1);
        assert_true(one.finding_count > 1);
        assert_int_equal(several.finding_count, one.finding_count);
        assert_memory_equal(several.findings, one.findings,
                            one.finding_count * sizeof *one.findings);
}

static void memory_for_nothing_is_an_error(void **state)
{
        (void)state;
        ops_make(&checked_ops, &long_file);
        native_host_set_memory_limit(checked_ops.host, NONE);
        assert_int_equal(checked_run(), NATIVE_OK);
        assert_int_equal(checked_ops.outcome.result.code, ABI_TOO_LARGE);
        assert_false(found.ended);
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, checked_set_up, checked_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(several_passes_find_what_one_finds),
            TEST(a_sound_image_is_sound_in_several_passes),
            TEST(the_last_pass_looks_behind_the_end),
            TEST(memory_for_nothing_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
