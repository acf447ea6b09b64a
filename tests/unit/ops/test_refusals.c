/* SPDX-License-Identifier: MIT */
/*
 * Every row of the guest's side of the specification's table, and the states that it
 * does not name, provoked by a request or an image; of headers: test_header_refusals.c.
 * ops_run() sees to it that a refusal has written nothing.
 */
#include <string.h>

#include "guest/ops/bitmap.h"
#include "tests/unit/ops/fixture.h"

#define AUTO 2u

static const struct made_options plain = {
    .cluster_bits = 12,
    .data_clusters = 2,
    .bitmap_count = 2,
    .bitmaps = {{.name = "one", .flags = AUTO, .fill = MADE_DATA}, {.name = "two"}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &plain);
        return 0;
}

static uint64_t detail(int index)
{
        return ops.outcome.result.detail[index];
}

static void file_size_that_the_host_did_not_see(void **state)
{
        struct abi_call call;
        (void)state;
        ops_call(&call, "x", "a", 0, NULL);
        call.file_size = ops.image->size + 4096;
        struct native_outcome outcome = native_run(ops.host, guest_main, &call);
        assert_int_equal(outcome.status, NATIVE_CHANGED);
        assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
}

static void names_that_are_not_there(void **state)
{
        static const char *const actions[] = {"r", "c", "e", "d", "rr", "ar", "acrd"};
        (void)state;
        for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
                assert_int_equal(ops_run(&ops, "nobody", actions[i]),
                                 i == 5 ? ABI_OK : ABI_NOT_FOUND);
}

static void names_that_are_there(void **state)
{
        (void)state;
        assert_int_equal(ops_run(&ops, "one", "a"), ABI_EXISTS);
        assert_int_equal(ops_run(&ops, "new", "aa"), ABI_EXISTS);
        assert_int_equal(ops.outcome.result.actions_applied, 1);
        assert_int_equal(ops_run(&ops, "one", "da"), ABI_EXISTS);
}

static void lengths_of_names(void **state)
{
        struct abi_call call;
        char name[1025];
        (void)state;
        memset(name, 'n', sizeof name);
        name[1024] = '\0';
        ops_call(&call, "", "a", 0, NULL);
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
        ops_call(&call, name, "a", 0, NULL);
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
        call.target_length = UINT32_MAX;
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
        call.target_length = 1023;
        assert_int_equal(ops_run_call(&ops, &call), ABI_OK);
        ops_call(&call, "one", "m", 0, "two");
        call.source_length[0] = 0;
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
        call.source_length[0] = 1024;
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
        call.source_offset[0] = ABI_NAMES_POOL - 2;
        call.source_length[0] = 3;
        assert_int_equal(ops_run_call(&ops, &call), ABI_NAME_TOO_LONG);
}

static void granularities(void **state)
{
        static const uint64_t bad[] = {
            1,          256,        511, 513, 4096 + 512, 1ull << 32, (1ull << 32) + 512,
            UINT64_MAX, 1ull << 63, 3};
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(ops_add(&ops, "x", bad[i]), ABI_BAD_GRANULARITY);
}

static void actions_that_are_none(void **state)
{
        struct abi_call call;
        (void)state;
        for (uint32_t action = 0; action < 300; action++) {
                if ((action >= ABI_ACTION_ADD && action <= ABI_ACTION_MERGE) ||
                    action == ABI_ACTION_RESET)
                        continue; /* to remove all names no bitmap */
                ops_call(&call, "one", "e", 0, NULL);
                call.actions[0] = action;
                assert_int_equal(ops_run_call(&ops, &call), ABI_BAD_ACTION);
        }
        ops_call(&call, "one", "e", 0, NULL);
        call.action_count = ABI_MAX_ACTIONS + 1;
        assert_int_equal(ops_run_call(&ops, &call), ABI_BAD_ACTION);
        call.action_count = UINT32_MAX;
        assert_int_equal(ops_run_call(&ops, &call), ABI_BAD_ACTION);
        ops_call(&call, "one", "me", 0, "two");
        assert_int_equal(ops_run_call(&ops, &call), ABI_BAD_ACTION);
        assert_int_equal(ops_run(&ops, "one", "es"), ABI_BAD_ACTION);
        assert_int_equal(ops_run(&ops, "one", "sr"), ABI_BAD_ACTION);
        assert_int_equal(ops_run(&ops, "", "AA"), ABI_BAD_ACTION);
        assert_int_equal(ops_run(&ops, "one", "rA"), ABI_BAD_ACTION);
        ops_call(&call, "one", "m", 0, "two");
        call.source_count = ABI_MAX_MERGE_SOURCES + 1;
        assert_int_equal(ops_run_call(&ops, &call), ABI_BAD_ACTION);
}

static void bitmap_in_use(void **state)
{
        struct made_options options = plain;
        (void)state;
        options.bitmaps[0].flags = AUTO | 1;
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "one", "c"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "e"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "d"), ABI_IN_USE);
        assert_int_equal(ops_merge(&ops, "one", "two"), ABI_IN_USE);
        assert_int_equal(ops_merge(&ops, "two", "one"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "a"), ABI_EXISTS);
        assert_int_equal(ops_run(&ops, "two", "d"), ABI_OK); /* the others live on */
        assert_int_equal(ops_run(&ops, "one", "ra"), ABI_OK);
        assert_int_equal(ops_run(&ops, "one", "r"), ABI_OK);
}

/* A bitmap in use may have the size of another time. */
static void bitmap_in_use_of_another_size_is_removed(void **state)
{
        struct made_options options = plain;
        (void)state;
        options.bitmaps[0].flags = 1;
        ops_make(&ops, &options);
        poke32(ops.image, ops.places.entries[0] + 8, 2); /* entries; the cluster is one */
        ops_look(&ops);
        assert_int_equal(ops_run(&ops, "one", "r"), ABI_OK);
}

static void stale_list(void **state)
{
        struct made_options options = plain;
        (void)state;
        options.stale = true;
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "one", "e"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "c"), ABI_IN_USE);
        assert_int_equal(ops_merge(&ops, "one", "two"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "ra"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "one", "r"), ABI_OK);
        assert_true(ops.read.stale); /* what is left is not published */
        assert_int_equal(ops.read.bitmap_count, 1);
        assert_int_equal(ops_run(&ops, "two", "ra"),
                         ABI_OK); /* the last one: a new list */
        assert_false(ops.read.stale);
        assert_int_equal(ops_run(&ops, "two", "r"), ABI_OK);
}

static void extra_data_that_must_be_understood(void **state)
{
        struct made_options options = plain;
        (void)state;
        options.bitmaps[0].extra_length = 21;
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "one", "c"), ABI_IN_USE);
        assert_int_equal(ops_run(&ops, "two", "e"), ABI_OK); /* the other one is kept */
        assert_int_equal(ops_run(&ops, "new", "a"), ABI_OK);
        assert_int_equal(ops_run(&ops, "one", "r"), ABI_OK);
        options.bitmaps[0].flags = AUTO | 4;
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "one", "cd"), ABI_OK);
        assert_int_equal(ops_bitmap(&ops, "one")->extra_length, 21);
        assert_int_equal(ops_bitmap(&ops, "one")->flags, 4);
}

static void too_many_bitmaps_and_too_large_ones(void **state)
{
        struct made_options options = {.cluster_bits = 16, .virtual_size = 16ull << 40};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(ops_add(&ops, "x", 2048), ABI_TOO_LARGE);
        assert_int_equal(ops_add(&ops, "x", 4096), ABI_OK); /* 512 MiB of bits */
        assert_int_equal(ops_run(&ops, "x", "r"), ABI_OK);
}

static void no_room_in_the_header_cluster(void **state)
{
        char backing[400];
        struct made_options options = {.cluster_bits = 9, .backing = backing};
        (void)state;
        memset(backing, 'b', sizeof backing);
        backing[380] = '\0';
        ops_make(&ops, &options);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_NO_SPACE);
}

/* The file was cut: clusters that have a refcount lie behind its end. */
static void refcounts_behind_the_end(void **state)
{
        (void)state;
        poke_refcount(ops.image, ops.image->size / 4096, 1);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_BAD_REFCOUNTS);
        assert_int_equal(detail(2), ABI_REFCOUNT_TAIL);
        assert_int_equal(detail(0), ops.image->size);
}

static void refcount_block_that_is_no_place(void **state)
{
        static const uint64_t blocks[] = {512, 1, 1ull << 40, UINT64_MAX & ~4095ull};
        (void)state;
        for (size_t i = 0; i < 4; i++) {
                poke64(ops.image, ops.places.refcount_table, blocks[i]);
                assert_int_equal(ops_run(&ops, "x", "a"), ABI_BAD_REFCOUNTS);
                assert_int_equal(detail(2), ABI_REFCOUNT_BLOCK);
        }
}

/* An L1 table and a bitmap table of zeros are holes; that nothing counts them does not
 * make them free. */
static void tables_that_nothing_counts_are_not_taken(void **state)
{
        const struct made_options options = {
            .cluster_bits = 9,
            .virtual_size = 20 * 512,
            .bitmap_count = 1,
            .bitmaps = {{.name = "one", .granularity_bits = 9}}};
        (void)state;
        ops_make(&ops, &options);
        ops.damaged = true;
        poke_refcount(ops.image, ops.places.l1 / 512, 0);
        poke_refcount(ops.image, ops.places.tables[0] / 512, 0);
        ops_look(&ops);
        assert_int_equal(ops.read.corruptions, 2);
        assert_true(native_image_is_hole(ops.image, ops.places.l1, 512));
        assert_true(native_image_is_hole(ops.image, ops.places.tables[0], 512));
        assert_int_equal(ops_add(&ops, "new", 512), ABI_OK);
        const struct read_bitmap *new = ops_bitmap(&ops, "new");
        assert_int_not_equal(new->table_offset, ops.places.l1);
        assert_int_not_equal(new->table_offset, ops.places.tables[0]);
        assert_int_equal(ops.read.corruptions, 2);
}

/* The bitmap's table is nowhere, and nothing can be proved: no refcount is looked at, and
 * none changes. */
static void removal_that_frees_nothing(void **state)
{
        struct made_options options = {
            .cluster_bits = 9,
            .virtual_size = 20 * 512,
            .snapshots = 1,
            .record_behind = 16,
            .bitmaps = {{.name = "two", .granularity_bits = 9},
                        {.name = "one", .granularity_bits = 9}}};
        (void)state;
        for (options.bitmap_count = 1; options.bitmap_count <= 2;
             options.bitmap_count++) {
                uint8_t counts[512];
                ops_make(&ops, &options);
                ops.damaged = true;
                poke64(ops.image, ops.places.snapshot_table, 1ull << 60);
                poke64(ops.image, ops.places.entries[options.bitmap_count - 1],
                       1ull << 61);
                memcpy(counts, ops.image->bytes + ops.places.refcount_block, 512);
                const char *name = options.bitmap_count == 1 ? "two" : "one";
                assert_int_equal(ops_run(&ops, name, "r"), ABI_OK);
                assert_memory_equal(counts, ops.image->bytes + ops.places.refcount_block,
                                    512);
        }
}

static void little_memory(void **state)
{
        enum abi_code code = ABI_TOO_LARGE;
        (void)state;
        for (uint64_t kib = 4; code == ABI_TOO_LARGE; kib += 4) {
                native_host_set_memory_limit(ops.host, ABI_ARENA_BASE + kib * 1024);
                assert_true(kib < 4096);
                code = ops_merge(&ops, "two", "one");
        }
        assert_int_equal(code, ABI_OK);
}

int main(void)
{
#define REFUSAL(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            REFUSAL(file_size_that_the_host_did_not_see),
            REFUSAL(names_that_are_not_there),
            REFUSAL(names_that_are_there),
            REFUSAL(lengths_of_names),
            REFUSAL(granularities),
            REFUSAL(actions_that_are_none),
            REFUSAL(bitmap_in_use),
            REFUSAL(bitmap_in_use_of_another_size_is_removed),
            REFUSAL(stale_list),
            REFUSAL(extra_data_that_must_be_understood),
            REFUSAL(too_many_bitmaps_and_too_large_ones),
            REFUSAL(no_room_in_the_header_cluster),
            REFUSAL(refcounts_behind_the_end),
            REFUSAL(refcount_block_that_is_no_place),
            REFUSAL(tables_that_nothing_counts_are_not_taken),
            REFUSAL(removal_that_frees_nothing),
            REFUSAL(little_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
