/* SPDX-License-Identifier: MIT */
/* Merges: which bits come out, and how they are stored. */
#include <string.h>

#include "tests/unit/ops/model.h"
#include "tests/unit/ops/ops.h"

static const uint32_t all_cluster_bits[] = {9, 12, 16};

/* Of every fill one; 13 entries of 512 bytes, the last one not full. */
static void start(struct ops *ops, uint32_t cluster_bits)
{
        struct made_options options = {
            .cluster_bits = cluster_bits,
            .virtual_size = (24ull << 20) + 37 * 512,
            .bitmap_count = 7,
            .bitmaps =
                {{.name = "empty", .granularity_bits = 9},
                 {.name = "ones", .fill = MADE_ONES, .granularity_bits = 9},
                 {.name = "data", .fill = MADE_DATA, .granularity_bits = 9},
                 {.name = "sparse",
                  .fill = MADE_SPARSE,
                  .seed = 5,
                  .granularity_bits = 9},
                 {.name = "other", .fill = MADE_SPARSE, .seed = 6, .granularity_bits = 9},
                 {.name = "tail",
                  .fill = MADE_DATA,
                  .seed = 7,
                  .dirty_tail = true,
                  .granularity_bits = 9},
                 {.name = "coarse", .fill = MADE_DATA, .granularity_bits = 12}},
        };
        ops_make(ops, &options);
}

/* Merge and compare with the model. */
static void merge(struct ops *ops, const char *target, const char *sources)
{
        static struct model model;
        struct abi_call call;
        ops_call(&call, target, "m", 0, sources);
        model_take(&model, &ops->read);
        assert_int_equal(model_apply(&model, &call), ABI_OK);
        assert_int_equal(ops_run_call(ops, &call), ABI_OK);
        const char *difference = model_difference(&model, &ops->read);
        if (difference)
                fail_msg("%s into %s: %s", sources, target, difference);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
        model_free(&model);
}

static void every_kind_of_entry_merges_into_every_other(void **state)
{
        static const char *const names[] = {"empty",  "ones",  "data",
                                            "sparse", "other", "tail"};
        struct ops ops;
        (void)state;
        ops_open(&ops);
        for (size_t size = 0; size < 3; size++)
                for (size_t target = 0; target < 6; target++)
                        for (size_t source = 0; source < 6; source++) {
                                start(&ops, all_cluster_bits[size]);
                                merge(&ops, names[target], names[source]);
                        }
        ops_close(&ops);
}

static void several_sources_count_as_one_action(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        for (size_t size = 0; size < 3; size++) {
                start(&ops, all_cluster_bits[size]);
                merge(&ops, "empty", "data|sparse|other|tail|data|empty|data|tail");
                assert_int_equal(ops.outcome.result.actions_applied, 1);
        }
        ops_close(&ops);
}

static void merge_that_gains_no_bit_writes_nothing(void **state)
{
        static const char *const calls[][2] = {{"data", "data"},
                                               {"tail", "tail"},
                                               {"data", "empty"},
                                               {"ones", "data|ones|tail"},
                                               {"empty", "empty"}};
        struct ops ops;
        (void)state;
        ops_open(&ops);
        start(&ops, 12);
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                assert_int_equal(ops_merge(&ops, calls[i][0], calls[i][1]), ABI_OK);
                assert_int_equal(native_host_trace(ops.host)->count, 0);
        }
        ops_close(&ops);
}

/* All-ones entries are written where a whole cluster is ones; the last cluster, in which
 * the tail's bits stay zero, is data. */
static void whole_clusters_of_ones_are_stored_as_entries(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        start(&ops, 9);
        assert_int_equal(ops_bitmap(&ops, "sparse")->table_entries, 13);
        merge(&ops, "sparse", "ones");
        assert_int_equal(ops_bitmap(&ops, "sparse")->ones_entries, 12);
        assert_int_equal(ops_bitmap(&ops, "sparse")->data_clusters, 1);
        ops_close(&ops);
}

/* The last byte that is in use on disk, and all behind it, hold no bits of the tail. */
static void tail_bits_are_zero_in_what_is_written(void **state)
{
        struct ops ops;
        uint8_t cluster[512];
        (void)state;
        ops_open(&ops);
        start(&ops, 9);
        merge(&ops, "empty", "tail");
        const struct read_bitmap *bitmap = ops_bitmap(&ops, "empty");
        uint64_t bits = ops.read.virtual_size / 512;
        uint64_t last = bitmap->table_entries - 1;
        uint64_t entry = peek64(ops.image, bitmap->table_offset + last * 8);
        native_image_read(ops.image, entry, cluster, sizeof cluster);
        for (uint64_t bit = bits; bit < (last + 1) * 4096; bit++)
                assert_false(cluster[(bit / 8) % 512] >> (bit % 8) & 1);
        ops_close(&ops);
}

/* More than the batch of 2 MiB, so that parts are applied one after the other, and
 * data is looked at twice. */
/* 20 sectors and two bytes: there is no bit for the two. */
static void part_of_a_sector_has_no_bit(void **state)
{
        struct made_options options = {
            .cluster_bits = 9,
            .virtual_size = 20 * 512,
            .bitmap_count = 2,
            .bitmaps = {{.name = "a", .fill = MADE_DATA, .granularity_bits = 9},
                        {.name = "ones", .fill = MADE_ONES, .granularity_bits = 9}}};
        struct ops ops;
        uint8_t bytes[4];
        (void)state;
        ops_open(&ops);
        ops_make(&ops, &options);
        poke64(ops.image, 24, 20 * 512 + 2);
        ops_look(&ops);
        merge(&ops, "a", "ones");
        uint64_t table = ops_bitmap(&ops, "a")->table_offset;
        native_image_read(ops.image, peek64(ops.image, table), bytes, sizeof bytes);
        assert_memory_equal(bytes, "\xff\xff\x0f\x00", 4);
        ops_close(&ops);
}

static void large_merge_goes_in_parts(void **state)
{
        struct ops ops;
        struct made_options options = {
            .cluster_bits = 16,
            .virtual_size = 24ull << 30,
            .bitmap_count = 3,
            .bitmaps =
                {{.name = "a", .fill = MADE_DATA, .granularity_bits = 9, .seed = 1},
                 {.name = "b", .fill = MADE_SPARSE, .granularity_bits = 9, .seed = 2},
                 {.name = "c", .granularity_bits = 9}},
        };
        (void)state;
        ops_open(&ops);
        ops_make(&ops, &options);
        assert_int_equal(ops_bitmap(&ops, "a")->table_entries, 96);
        merge(&ops, "a", "b");
        merge(&ops, "c", "a|b");
        merge(&ops, "b", "a");
        assert_in_range(native_host_arena_used(ops.host), 3u << 20, 4u << 20);
        ops_close(&ops);
}

static void merge_refusals(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        start(&ops, 12);
        assert_int_equal(ops_merge(&ops, "empty", "coarse"), ABI_GRANULARITY_MISMATCH);
        assert_int_equal(ops_merge(&ops, "empty", "data|nobody"), ABI_SOURCE_NOT_FOUND);
        assert_int_equal(ops.outcome.result.detail[0], 1);
        assert_int_equal(ops_merge(&ops, "nobody", "data"), ABI_NOT_FOUND);
        assert_int_equal(ops_merge(&ops, "empty", NULL), ABI_BAD_ACTION);
        ops_close(&ops);
}

/* To take an entry that cannot be read for clean would lose dirty bits. */
static void malformed_table_entry_is_refused(void **state)
{
        static const uint64_t entries[] = {
            2, 513, 1ull << 40, 1ull << 60, (4ull << 12) + 1, 4096 + 512};
        struct ops ops;
        (void)state;
        ops_open(&ops);
        for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
                for (int source = 0; source < 2; source++) {
                        start(&ops, 12);
                        ops.damaged = true;
                        poke64(ops.image, ops.places.tables[source ? 2 : 3] + 8,
                               entries[i]);
                        assert_int_equal(ops_merge(&ops, "sparse", "data"),
                                         ABI_BAD_TABLE);
                        assert_int_equal(ops.outcome.result.detail[1], 1);
                        assert_int_equal(ops.outcome.result.detail[2], entries[i]);
                        assert_int_equal(ops.outcome.result.detail[3], source);
                }
        ops_close(&ops);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_kind_of_entry_merges_into_every_other),
            cmocka_unit_test(several_sources_count_as_one_action),
            cmocka_unit_test(merge_that_gains_no_bit_writes_nothing),
            cmocka_unit_test(whole_clusters_of_ones_are_stored_as_entries),
            cmocka_unit_test(tail_bits_are_zero_in_what_is_written),
            cmocka_unit_test(part_of_a_sector_has_no_bit),
            cmocka_unit_test(large_merge_goes_in_parts),
            cmocka_unit_test(merge_refusals),
            cmocka_unit_test(malformed_table_entry_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
