/* SPDX-License-Identifier: MIT */
/*
 * Invariants 2 and 4 over whole edits: every state that a power loss can leave, for
 * every kind of edit, at clusters of 512 bytes, 4 KiB and 64 KiB, with and without a
 * backing file's name and records behind the bitmaps' own.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/crash.h"

#define IN_USE 1u
#define AUTO   2u

static const uint32_t all_cluster_bits[] = {9, 12, 16};

static uint64_t states_of_all_tests;
static uint64_t proofs_of_all_tests;

struct edit_case {
        const char *name;
        const char *actions;
        const char *sources;
};

static void explore(struct crash *crash, const struct edit_case *edit)
{
        struct abi_call call;
        ops_call(&call, edit->name, edit->actions, 0, edit->sources);
        assert_int_equal(ops_run_call(crash->ops, &call), ABI_OK);
        crash_explore(crash);
}

static void tell(const struct crash *crash)
{
        states_of_all_tests += crash->states;
        proofs_of_all_tests += crash->proofs;
        printf("%llu states, %llu proofs\n", (unsigned long long)crash->states,
               (unsigned long long)crash->proofs);
}

/* The header's shapes that decide how its record is edited. */
static void shape(struct made_options *options, int variant)
{
        options->backing = variant & 1 ? "../base/of/all/images.qcow2" : NULL;
        options->record_before = variant & 2 ? 40 : 0;
        options->record_behind = variant & 4 ? 16 : 0;
}

/* Make the image anew for each edit, in each shape. */
static void at_every_shape(const struct made_options *base, const struct edit_case *edits,
                           size_t count)
{
        struct ops ops;
        struct crash crash;
        ops_open(&ops);
        crash_open(&crash, &ops);
        for (size_t size = 0; size < 3; size++)
                for (int variant = 0; variant < 8; variant++)
                        for (size_t i = 0; i < count; i++) {
                                struct made_options options = *base;
                                options.cluster_bits = all_cluster_bits[size];
                                shape(&options, variant);
                                ops_make(&ops, &options);
                                explore(&crash, &edits[i]);
                        }
        tell(&crash);
        crash_close(&crash);
        ops_close(&ops);
}

static const struct made_options three_bitmaps = {
    .virtual_size = (64ull << 20) + 999 * 512,
    .data_clusters = 3,
    .snapshots = 1,
    .bitmap_count = 3,
    .bitmaps =
        {{.name = "data",
          .flags = AUTO,
          .fill = MADE_DATA,
          .seed = 1,
          .granularity_bits = 13},
         {.name = "sparse", .fill = MADE_SPARSE, .seed = 2, .granularity_bits = 13},
         {.name = "empty", .flags = AUTO, .granularity_bits = 13}},
};

static void every_state_of_an_edit_among_three_bitmaps_is_valid(void **state)
{
        static const struct edit_case edits[] = {
            {"new", "a", NULL},      {"new", "ad", NULL},
            {"data", "r", NULL},     {"empty", "r", NULL},
            {"data", "c", NULL},     {"data", "cd", NULL},
            {"sparse", "e", NULL},   {"data", "ra", NULL},
            {"empty", "ra", NULL},   {"empty", "rad", NULL},
            {"sparse", "m", "data"}, {"empty", "m", "data|sparse"},
            {"", "A", NULL},
        };
        (void)state;
        at_every_shape(&three_bitmaps, edits, sizeof edits / sizeof edits[0]);
}

static void every_state_of_the_first_bitmap_is_valid(void **state)
{
        static const struct edit_case edits[] = {{"first", "a", NULL},
                                                 {"first", "ad", NULL}};
        struct made_options options = {.data_clusters = 3, .snapshots = 1};
        (void)state;
        at_every_shape(&options, edits, 2);
        options.autoclear = 1ull << 40;
        at_every_shape(&options, edits, 1);
        options.autoclear = 0;
        options.emptied_record = true;
        at_every_shape(&options, edits, 1);
}

static void every_state_of_the_last_bitmap_is_valid(void **state)
{
        static const struct edit_case edits[] = {{"last", "r", NULL},
                                                 {"", "A", NULL},
                                                 {"last", "ra", NULL},
                                                 {"last", "cd", NULL}};
        struct made_options options = {
            .data_clusters = 3,
            .bitmap_count = 1,
            .bitmaps = {{.name = "last", .flags = AUTO, .fill = MADE_DATA}},
        };
        (void)state;
        at_every_shape(&options, edits, 4);
        options.autoclear = 1ull << 40;
        at_every_shape(&options, edits, 2);
        options.autoclear = 0;
        options.stale = true;
        at_every_shape(&options, edits, 3);
}

/* Bits of the table, with data for the last cluster; the entry in one sector or two. */
static void every_state_of_a_reset_is_valid(void **state)
{
        static const struct edit_case edits[] = {{"data", "s", NULL},
                                                 {"sparse", "s", NULL}};
        struct made_options options = three_bitmaps;
        (void)state;
        options.bitmaps[0].flags |= IN_USE;
        options.bitmaps[1].flags |= IN_USE;
        at_every_shape(&options, edits, 2);
}

/* Where the record and the backing file's name lie in two sectors it takes steps, and
 * between them there is a list that does not count yet. */
static void every_state_of_a_header_of_two_sectors_is_valid(void **state)
{
        static const struct edit_case first = {"first", "a", NULL};
        struct ops ops;
        struct crash crash;
        (void)state;
        ops_open(&ops);
        crash_open(&crash, &ops);
        for (uint32_t before = 320; before <= 400; before += 8)
                for (int backing = 0; backing < 2; backing++) {
                        struct made_options options = {
                            .cluster_bits = 12,
                            .data_clusters = 3,
                            .record_before = before,
                            .backing = backing ? "../base/of/all/images.qcow2" : NULL,
                        };
                        ops_make(&ops, &options);
                        explore(&crash, &first);
                }
        tell(&crash);
        crash_close(&crash);
        ops_close(&ops);
}

/* Clusters of 512 bytes: a block is full after 256 clusters, a table after 64 blocks. */
static void explore_growth(uint32_t data_clusters, uint32_t spread)
{
        bool grown = false;
        static const struct edit_case edits[] = {{"new", "a", NULL},
                                                 {"empty", "m", "data"}};
        struct ops ops;
        struct crash crash;
        ops_open(&ops);
        crash_open(&crash, &ops);
        crash.samples = spread;
        for (uint32_t more = 0; more < 6; more++)
                for (size_t i = 0; i < 2; i++) {
                        struct made_options options = three_bitmaps;
                        options.cluster_bits = 9;
                        options.data_clusters = data_clusters + more;
                        options.snapshots = 0;
                        ops_make(&ops, &options);
                        explore(&crash, &edits[i]);
                        grown = grown || crash.last_transaction > 1;
                }
        assert_true(grown);
        tell(&crash);
        crash_close(&crash);
        ops_close(&ops);
}

static void every_state_of_a_new_refcount_block_is_valid(void **state)
{
        (void)state;
        explore_growth(203, 40);
}

static void every_state_of_a_larger_refcount_table_is_valid(void **state)
{
        (void)state;
        explore_growth(16020, 8);
}

static int print_states(void **state)
{
        (void)state;
        printf("crash states tried: %llu, claims proved: %llu\n",
               (unsigned long long)states_of_all_tests,
               (unsigned long long)proofs_of_all_tests);
        return proofs_of_all_tests ? 0 : -1;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_state_of_an_edit_among_three_bitmaps_is_valid),
            cmocka_unit_test(every_state_of_the_first_bitmap_is_valid),
            cmocka_unit_test(every_state_of_the_last_bitmap_is_valid),
            cmocka_unit_test(every_state_of_a_reset_is_valid),
            cmocka_unit_test(every_state_of_a_header_of_two_sectors_is_valid),
            cmocka_unit_test(every_state_of_a_new_refcount_block_is_valid),
            cmocka_unit_test(every_state_of_a_larger_refcount_table_is_valid),
        };
        return cmocka_run_group_tests(tests, NULL, print_states);
}
