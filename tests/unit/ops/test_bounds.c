/* SPDX-License-Identifier: MIT */
/*
 * Memory and time: an edit either has what it needs before it writes its first byte, or
 * is refused; and what it costs is a sum over the image's structures, never a product.
 */
#include <string.h>

#include "tests/unit/ops/ops.h"

static const struct made_options base = {
    .cluster_bits = 9,
    .virtual_size = 64ull << 20,
    .bitmap_count = 3,
    .bitmaps = {{.name = "dense", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "empty", .granularity_bits = 9},
                {.name = "sparse", .fill = MADE_SPARSE, .granularity_bits = 9}},
};

/* More and more memory until it is enough; ops_run_call() judges every refusal. */
static void grow_memory(struct ops *ops, const struct made_options *options, bool device,
                        const char *name, const char *actions, const char *sources)
{
        enum abi_code code = ABI_TOO_LARGE;
        struct abi_call call;
        uint64_t refusals = 0;
        ops_call(&call, name, actions, 0, sources);
        for (uint64_t kib = 4; code == ABI_TOO_LARGE;
             kib += options->data_clusters > 1000 ? 116 : 20) {
                assert_true(kib < 8192);
                ops_make(ops, options);
                if (device)
                        native_image_resize(ops->image, ops->image->size + 512 * 2000);
                native_host_set_block_device(ops->host, device);
                ops_look(ops);
                native_host_set_memory_limit(ops->host, ABI_ARENA_BASE + kib * 1024);
                code = ops_run_call(ops, &call);
                refusals += code == ABI_TOO_LARGE;
        }
        assert_int_equal(code, ABI_OK);
        assert_true(refusals > 0);
}

static void too_little_memory_is_a_refusal(void **state)
{
        static const uint32_t data[] = {0, 1, 4, 14700};
        struct ops ops;
        (void)state;
        ops_open(&ops);
        for (int device = 0; device < 2; device++)
                for (size_t i = 0; i < 4; i++) {
                        struct made_options options = base;
                        options.data_clusters = data[i];
                        options.snapshots = (uint32_t)i % 3;
                        grow_memory(&ops, &options, device, "new", "a", NULL);
                        grow_memory(&ops, &options, device, "dense", "r", NULL);
                        grow_memory(&ops, &options, device, "dense", "c", NULL);
                        grow_memory(&ops, &options, device, "empty", "m", "dense|sparse");
                        grow_memory(&ops, &options, device, "sparse", "m", "dense");
                }
        ops_close(&ops);
}

/* The same at a table that has to grow. */
static void too_little_memory_for_growth_is_a_refusal(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        for (uint32_t data = 15950; data < 16070; data += 28) {
                struct made_options options = base;
                options.data_clusters = data;
                grow_memory(&ops, &options, data % 56 == 0, "empty", "m", "dense");
        }
        ops_close(&ops);
}

/* Snapshots are walked once, and not for every cluster that is freed. */
static void doorbells_do_not_grow_with_clusters_times_snapshots(void **state)
{
        struct ops ops;
        struct made_options options = base;
        (void)state;
        options.snapshots = 8;
        options.virtual_size = 1ull << 30; /* 512 clusters of bits */
        ops_open(&ops);
        ops_make(&ops, &options);
        assert_int_equal(ops_bitmap(&ops, "dense")->data_clusters, 512);
        assert_int_equal(ops_run(&ops, "dense", "r"), ABI_OK);
        assert_in_range(ops.outcome.doorbells, 1, 120);
        ops_close(&ops);
}

/* The refcount table's length does not multiply with them either: 128 Ki entries,
 * 2000 clusters freed. */
static void refcount_table_is_not_searched_for_every_cluster(void **state)
{
        struct ops ops;
        struct made_options options = base;
        (void)state;
        options.refcount_table_clusters = 2048;
        options.virtual_size = 4ull << 30;
        ops_open_sized(&ops, 17ull << 30);
        ops_make(&ops, &options);
        native_image_resize(ops.image, 16ull << 30);
        ops_look(&ops);
        assert_int_equal(ops_run(&ops, "dense", "r"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        ops_close(&ops);
}

static void plain_add_takes_few_doorbells_syncs_and_pages(void **state)
{
        struct ops ops;
        struct made_options options = {.data_clusters = 10};
        (void)state;
        ops_open(&ops);
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "first", "a"), ABI_OK);
        assert_in_range(ops.outcome.doorbells, 1, 5);
        assert_in_range(ops.outcome.syncs, 1, 3);
        assert_in_range(native_host_arena_used(ops.host), 1, 24 * 4096);
        assert_int_equal(ops_run(&ops, "second", "a"), ABI_OK);
        assert_in_range(ops.outcome.doorbells, 1, 5);
        assert_in_range(ops.outcome.syncs, 1, 3);
        ops_close(&ops);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(too_little_memory_is_a_refusal),
            cmocka_unit_test(too_little_memory_for_growth_is_a_refusal),
            cmocka_unit_test(doorbells_do_not_grow_with_clusters_times_snapshots),
            cmocka_unit_test(refcount_table_is_not_searched_for_every_cluster),
            cmocka_unit_test(plain_add_takes_few_doorbells_syncs_and_pages),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
