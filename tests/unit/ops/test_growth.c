/* SPDX-License-Identifier: MIT */
/* Refcount blocks and the refcount table grow when they are full. */
#include <string.h>

#include "tests/unit/ops/ops.h"

static const struct made_options base = {
    .cluster_bits = 9,
    .virtual_size = 16ull << 20,
    .bitmap_count = 2,
    .bitmaps = {{.name = "dense", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "empty", .granularity_bits = 9}},
};

struct seen {
        bool same;   /* no growth */
        bool blocks; /* a block, in the table that is there */
        bool table;  /* a larger table */
};

static void note(const struct ops *ops, struct seen *seen)
{
        const struct native_trace *trace = native_host_trace(ops->host);
        uint32_t transactions = trace->events[trace->count - 1].transaction;
        bool moved = peek64(ops->image, 48) != peek64(&ops->before, 48);
        seen->same = seen->same || transactions == 1;
        seen->blocks = seen->blocks || (transactions > 1 && !moved);
        seen->table = seen->table || moved;
}

/* Every number of clusters around the one at which something is full. */
static void around(uint32_t from, uint32_t to, uint32_t stride, struct seen *seen)
{
        struct ops ops;
        memset(seen, 0, sizeof *seen);
        ops_open(&ops);
        for (uint32_t clusters = from; clusters < to; clusters += stride) {
                struct made_options options = base;
                options.data_clusters = clusters;
                ops_make(&ops, &options);
                assert_int_equal(ops_merge(&ops, "empty", "dense"), ABI_OK);
                note(&ops, seen);
                ops_make(&ops, &options);
                assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
                note(&ops, seen);
                assert_int_equal(ops_run(&ops, "dense", "r"), ABI_OK);
                assert_int_equal(ops_run(&ops, "other", "a"), ABI_OK);
                assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        }
        ops_close(&ops);
}

static void refcount_blocks_are_added_where_they_are_full(void **state)
{
        struct seen seen;
        (void)state;
        around(190, 245, 1, &seen);
        assert_true(seen.same && seen.blocks && !seen.table);
}

static void refcount_table_moves_where_it_is_full(void **state)
{
        struct seen seen;
        (void)state;
        around(16020, 16062, 3, &seen);
        assert_true(seen.same && seen.table);
}

/* A merge that takes several blocks at once. */
static void several_blocks_are_added_at_once(void **state)
{
        struct ops ops;
        struct made_options options = base;
        (void)state;
        options.virtual_size = 2048ull << 20; /* 1024 clusters of bits */
        ops_open(&ops);
        ops_make(&ops, &options);
        assert_int_equal(ops_merge(&ops, "empty", "dense"), ABI_OK);
        assert_int_equal(ops_run(&ops, "empty", "c"), ABI_OK);
        assert_int_equal(ops.outcome.result.leaked_clusters, 0);
        ops_close(&ops);
}

/* Damage the image so that a bitmap's data is the refcount table, then add one; true
 * if the table has moved. */
static bool table_moves_under_a_bitmap(struct ops *ops, uint32_t data_clusters)
{
        struct made_options options = base;
        options.data_clusters = data_clusters;
        ops_make(ops, &options);
        ops->damaged = true;
        poke64(ops->image, ops->places.tables[0] + 8, ops->places.refcount_table);
        assert_int_equal(ops_run(ops, "new", "a"), ABI_OK);
        return peek64(ops->image, 48) != ops->places.refcount_table;
}

/* The table's old cluster is somebody's data, says a bitmap: it is not freed. */
static void old_table_that_a_bitmap_names_too_stays(void **state)
{
        struct ops ops;
        uint8_t before[512];
        uint8_t after[512];
        uint32_t data_clusters = 16030;
        (void)state;
        ops_open(&ops);
        while (!table_moves_under_a_bitmap(&ops, data_clusters))
                assert_true(++data_clusters < 16100);
        uint64_t table = ops.places.refcount_table;
        native_image_read(&ops.before, table, before, sizeof before);
        native_image_read(ops.image, table, after, sizeof after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(peek_refcount(ops.image, table / 512), 1);
        assert_int_equal(ops.outcome.result.leaked_clusters, 1);
        ops_close(&ops);
}

/* Without blocks, sparse: 16 GiB whose table of 1 MiB is full.  The larger one takes
 * 3072 clusters, and so a dozen blocks of its own. */
static void large_table_of_small_clusters_grows(void **state)
{
        struct ops ops;
        struct made_options options = base;
        (void)state;
        options.refcount_table_clusters = 2048;
        ops_open_sized(&ops, 17ull << 30);
        ops_make(&ops, &options);
        native_image_resize(ops.image, 16ull << 30);
        ops_look(&ops);
        assert_int_equal(ops.read.corruptions, 0);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
        assert_int_equal(peek64(ops.image, 56) >> 32, 3072);
        ops_close(&ops);
}

/* Of the block, not of what it was to count. */
static void assert_block_is_told(const struct ops *ops, uint64_t refcount,
                                 enum abi_refcount_fault fault)
{
        const uint64_t *detail = ops->outcome.result.detail;
        assert_int_equal(detail[0], ops->places.refcount_block);
        assert_int_equal(detail[1], refcount);
        assert_int_equal(detail[2], fault);
}

/* A refcount that has to be raised in place, in a block that is not only a block. */
static void block_that_is_named_twice_is_not_written(void **state)
{
        struct ops ops;
        (void)state;
        ops_open(&ops);
        ops_make(&ops, &base);
        poke64(ops.image, ops.places.refcount_table + 8, ops.places.refcount_block);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_BAD_REFCOUNTS);
        assert_block_is_told(&ops, 1, ABI_REFCOUNT_OVERLAP);
        ops_make(&ops, &base);
        poke_refcount(ops.image, ops.places.refcount_block / 512, 2);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_BAD_REFCOUNTS);
        assert_block_is_told(&ops, 2, ABI_REFCOUNT_SHARED);
        ops_make(&ops, &base);
        poke64(ops.image, 40, ops.places.refcount_block); /* the L1 table */
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_BAD_REFCOUNTS);
        ops_close(&ops);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(refcount_blocks_are_added_where_they_are_full),
            cmocka_unit_test(refcount_table_moves_where_it_is_full),
            cmocka_unit_test(several_blocks_are_added_at_once),
            cmocka_unit_test(old_table_that_a_bitmap_names_too_stays),
            cmocka_unit_test(large_table_of_small_clusters_grows),
            cmocka_unit_test(block_that_is_named_twice_is_not_written),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
