/* SPDX-License-Identifier: MIT */
/*
 * The proof that recovery asks for: whatever refers to a range is found, nothing else
 * is, and nothing is written (invariants 7 and 10).
 */
#include <string.h>

#include "guest/ops/unreferenced.h"
#include "tests/unit/ops/fixture.h"

#define CLUSTER     4096ull
#define OFFSET_MASK 0x00fffffffffffe00ull
#define COMPRESSED  (1ull << 62)

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = 64ull << 20,
    .data_clusters = 4,
    .snapshots = 1,
    .free_clusters = 4,
    .bitmap_count = 2,
    .bitmaps = {{.name = "data", .fill = MADE_DATA, .granularity_bits = 9},
                {.name = "empty", .granularity_bits = 9}},
};

static uint64_t end; /* of the file, and of its last cluster */

static void make(const struct made_options *options)
{
        ops_make(&ops, options);
        end = ops.image->size;
        assert_int_equal(end % CLUSTER, 0);
}

static int set_up(void **state)
{
        fixture_open(state);
        make(&base);
        return 0;
}

/* ---- asking ---------------------------------------------------------------------- */

static enum abi_code ask_all(const struct abi_range *ranges, uint32_t count)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        if (count)
                memcpy(call.ranges, ranges, count * sizeof *ranges);
        call.range_count = count;
        assert_true(native_image_copy(&ops.before, ops.image));
        ops.outcome = native_run(ops.host, unreferenced_main, &call);
        if (ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops.outcome.rule);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        assert_int_equal(native_host_trace(ops.host)->count, 0);
        assert_true(native_image_equal(ops.image, &ops.before));
        return (enum abi_code)ops.outcome.result.code;
}

static enum abi_code ask(uint64_t offset, uint64_t length)
{
        return ask_all(&(struct abi_range){offset, length}, 1);
}

static void expect_free(uint64_t offset, uint64_t length)
{
        assert_int_equal(ask(offset, length), ABI_OK);
}

static void expect_referenced(uint64_t offset, uint64_t length, uint64_t at)
{
        assert_int_equal(ask(offset, length), ABI_REFERENCED);
        assert_int_equal(ops.outcome.result.detail[0], at);
}

static uint64_t l2_table(void)
{
        return peek64(ops.image, ops.places.l1) & OFFSET_MASK;
}

/* ---- nothing refers ---------------------------------------------------------------- */

static void what_lies_behind_the_end_is_free(void **state)
{
        (void)state;
        expect_free(end, CLUSTER);
        expect_free(end, 1000 * CLUSTER);
        expect_free(1ull << 40, CLUSTER);
        expect_free(end + 1, 1);
}

static void holes_inside_the_file_are_free(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < 4; i++)
                expect_free(ops.places.free_clusters + i * CLUSTER, CLUSTER);
        expect_free(ops.places.free_clusters, 4 * CLUSTER);
        expect_free(ops.places.free_clusters + CLUSTER - 1, 2);
}

/* Even of an image that nothing could be proved of. */
static void no_range_is_referred_to_by_nothing(void **state)
{
        (void)state;
        poke64(ops.image, l2_table(), 3);
        assert_int_equal(ask_all(NULL, 0), ABI_OK);
}

static void as_many_ranges_as_a_call_holds_are_proved_at_once(void **state)
{
        struct abi_range ranges[ABI_MAX_RANGES];
        (void)state;
        for (uint64_t i = 0; i < ABI_MAX_RANGES; i++)
                ranges[i] = (struct abi_range){end + 2 * i * CLUSTER, CLUSTER};
        assert_int_equal(ask_all(ranges, ABI_MAX_RANGES), ABI_OK);
        ranges[ABI_MAX_RANGES - 1].offset = ops.places.l1;
        assert_int_equal(ask_all(ranges, ABI_MAX_RANGES), ABI_REFERENCED);
        assert_int_equal(ops.outcome.result.detail[0], ops.places.l1);
}

/* ---- something refers -------------------------------------------------------------- */

static void every_structure_refers_to_its_clusters(void **state)
{
        const struct made_places *p = &ops.places;
        const uint64_t used[] = {
            0,
            p->refcount_table,
            p->refcount_block,
            p->l1,
            l2_table(),
            p->first_data,
            p->first_data + 3 * CLUSTER,
            p->snapshot_table,
            peek64(ops.image, p->snapshot_table), /* the snapshot's L1 table */
            p->directory,
            p->tables[0],
            p->tables[1],
            peek64(ops.image, p->tables[0]),
        };
        (void)state;
        for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
                expect_referenced(used[i], CLUSTER, used[i]);
                expect_referenced(used[i] + CLUSTER - 1, 1, used[i]);
        }
}

/* Every cluster but the free ones is somebody's: one by one, and all in one range. */
static void all_that_has_a_refcount_is_referred_to(void **state)
{
        (void)state;
        for (uint64_t at = 0; at < end; at += CLUSTER)
                if (peek_refcount(ops.image, at / CLUSTER))
                        expect_referenced(at, CLUSTER, at);
                else
                        expect_free(at, CLUSTER);
        expect_referenced(ops.places.free_clusters, end - ops.places.free_clusters,
                          ops.places.free_clusters + 4 * CLUSTER);
}

static void the_first_of_the_ranges_that_is_used_is_told(void **state)
{
        const struct abi_range ranges[] = {
            {ops.places.free_clusters, CLUSTER},
            {end + 7 * CLUSTER, CLUSTER},
            {ops.places.free_clusters + 3 * CLUSTER, 2 * CLUSTER},
            {ops.places.l1, CLUSTER},
        };
        (void)state;
        assert_int_equal(ask_all(ranges, 4), ABI_REFERENCED);
        assert_int_equal(ops.outcome.result.detail[0],
                         ops.places.free_clusters + 4 * CLUSTER);
}

/* The very case that bytes do not show: taken, and zeros written to it. */
static void an_l2_entry_refers_inside_the_file_and_behind_its_end(void **state)
{
        const uint64_t taken[] = {ops.places.free_clusters, end, end + 9 * CLUSTER};
        (void)state;
        for (size_t i = 0; i < 3; i++) {
                poke64(ops.image, l2_table() + 100 * 8, taken[i] | 1ull << 63);
                expect_referenced(taken[i], CLUSTER, taken[i]);
                poke64(ops.image, l2_table() + 100 * 8, taken[i] | 1); /* zeros */
                expect_referenced(taken[i], CLUSTER, taken[i]);
                expect_free(taken[i] + CLUSTER, CLUSTER);
        }
}

static void an_l2_table_that_is_a_snapshots_alone_refers(void **state)
{
        uint64_t free_cluster = ops.places.free_clusters;
        uint64_t l2 = l2_table();
        (void)state;
        poke64(ops.image, ops.places.l1, 0);
        expect_referenced(ops.places.first_data, CLUSTER, ops.places.first_data);
        expect_referenced(l2, CLUSTER, l2);
        poke64(ops.image, l2 + 511 * 8, free_cluster);
        expect_referenced(free_cluster, CLUSTER, free_cluster);
}

/* Eight sectors from the middle of one cluster to the middle of the next. */
static void a_compressed_cluster_refers_to_all_that_it_touches(void **state)
{
        uint64_t first = ops.places.free_clusters + CLUSTER;
        (void)state;
        poke64(ops.image, l2_table() + 9 * 8,
               COMPRESSED | 7ull << 58 | (first + CLUSTER / 2));
        expect_free(first - CLUSTER, CLUSTER);
        expect_referenced(first, CLUSTER, first);
        expect_referenced(first + CLUSTER, CLUSTER, first + CLUSTER);
        expect_free(first + 2 * CLUSTER, CLUSTER);
}

static void a_refcount_tables_entry_refers(void **state)
{
        (void)state;
        poke64(ops.image, ops.places.refcount_table + 8, ops.places.free_clusters);
        expect_referenced(ops.places.free_clusters, CLUSTER, ops.places.free_clusters);
        poke64(ops.image, ops.places.refcount_table + 8, end);
        expect_referenced(end, CLUSTER, end);
}

static void a_bitmaps_table_entry_refers(void **state)
{
        (void)state;
        poke64(ops.image, ops.places.tables[1] + 8, ops.places.free_clusters);
        expect_referenced(ops.places.free_clusters, CLUSTER, ops.places.free_clusters);
        poke64(ops.image, ops.places.tables[1] + 8, end);
        expect_referenced(end, CLUSTER, end);
}

/* It may be what the interrupted edit had prepared itself. */
static void a_stale_list_refers_to_nothing(void **state)
{
        struct made_options options = base;
        (void)state;
        options.stale = true;
        make(&options);
        expect_free(ops.places.directory, CLUSTER);
        expect_free(ops.places.tables[0], CLUSTER);
        expect_free(peek64(ops.image, ops.places.tables[0]), CLUSTER);
        expect_referenced(ops.places.first_data, CLUSTER, ops.places.first_data);
}

static void a_device_is_proved_as_a_file_is(void **state)
{
        (void)state;
        native_image_resize(ops.image, end + 100 * CLUSTER);
        native_host_set_block_device(ops.host, true);
        expect_free(end, CLUSTER);
        expect_free(ops.places.free_clusters, 4 * CLUSTER);
        poke64(ops.image, l2_table() + 100 * 8, end + 50 * CLUSTER);
        expect_referenced(end, 100 * CLUSTER, end + 50 * CLUSTER);
}

/* ---- not proved -------------------------------------------------------------------- */

static void where_metadata_is_malformed_what_can_be_followed_decides(void **state)
{
        const struct made_places *p = &ops.places;
        const struct {
                uint64_t at;
                uint64_t value;
        } damages[] = {
            {l2_table() + 8, p->first_data | 2},       /* a reserved bit */
            {l2_table() + 8, p->first_data + 512},     /* no cluster's start */
            {p->l1 + 8, end + (1ull << 30)},           /* behind the end */
            {p->refcount_table + 8, 0x200 | 1},        /* a reserved bit */
            {p->tables[1] + 8, 3},                     /* a reserved bit */
            {p->snapshot_table, 512},                  /* an L1 table's place */
            {peek64(ops.image, p->snapshot_table), 1}, /* the snapshot's L1 entry */
        };
        (void)state;
        for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
                uint64_t was = peek64(ops.image, damages[i].at);
                poke64(ops.image, damages[i].at, damages[i].value);
                expect_free(ops.places.free_clusters, CLUSTER);
                expect_free(end, CLUSTER);
                assert_int_equal(ask(p->l1, CLUSTER), ABI_REFERENCED);
                assert_int_equal(ask(l2_table(), CLUSTER), ABI_REFERENCED);
                poke64(ops.image, damages[i].at, was);
                expect_free(ops.places.free_clusters, CLUSTER);
        }
}

static void an_image_that_cannot_be_opened_is_told_as_such(void **state)
{
        (void)state;
        poke64(ops.image, ops.places.directory + 16, UINT64_MAX);
        expect_free(end, CLUSTER);
        poke32(ops.image, 100, 0); /* the header's length */
        assert_int_equal(ask(end, CLUSTER), ABI_UNPROVABLE);
        poke32(ops.image, 100, 112);
        expect_free(end, CLUSTER);
        poke32(ops.image, 96, 40); /* refcounts of 2^40 bits */
        assert_int_equal(ask(end, CLUSTER), ABI_UNPROVABLE);
        poke32(ops.image, 96, 4);
        poke32(ops.image, 36, 0); /* no L1 table: who knows what it had */
        assert_int_equal(ask(end, CLUSTER), ABI_UNPROVABLE);
        poke32(ops.image, 0, 0);
        assert_int_equal(ask(end, CLUSTER), ABI_NOT_QCOW2);
}

static void ranges_that_are_none_overflow(void **state)
{
        static const struct abi_range bad[] = {
            {0, 0},
            {CLUSTER, 0},
            {1, UINT64_MAX},
            {UINT64_MAX, 1},
            {1ull << 63, 1ull << 63},
        };
        struct abi_call call;
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                const struct abi_range ranges[] = {{end, CLUSTER}, bad[i]};
                assert_int_equal(ask_all(ranges, 2), ABI_OVERFLOW);
                assert_int_equal(ask_all(&bad[i], 1), ABI_OVERFLOW);
        }
        memset(&call, 0, sizeof call);
        call.range_count = ABI_MAX_RANGES + 1;
        ops.outcome = native_run(ops.host, unreferenced_main, &call);
        assert_int_equal(ops.outcome.result.code, ABI_OVERFLOW);
}

/* A bit a cluster is kept. */
static void a_range_that_memory_does_not_hold_is_too_large(void **state)
{
        (void)state;
        assert_int_equal(ask(end, 1ull << 55), ABI_TOO_LARGE);
        assert_int_equal(ask(0, INT64_MAX), ABI_TOO_LARGE);
}

static void a_read_that_fails_is_no_proof(void **state)
{
        struct abi_call call = {.range_count = 1, .ranges = {{0, CLUSTER}}};
        unsigned int reads = 0;
        (void)state;
        call.ranges[0].offset = end;
        do {
                native_host_fail_read(ops.host, ++reads);
                ops.outcome = native_run(ops.host, unreferenced_main, &call);
                assert_in_range(ops.outcome.status, NATIVE_OK, NATIVE_READ_ERROR);
        } while (ops.outcome.status == NATIVE_READ_ERROR);
        native_host_fail_read(ops.host, 0);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        assert_true(reads > 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            TEST(what_lies_behind_the_end_is_free),
            TEST(holes_inside_the_file_are_free),
            TEST(no_range_is_referred_to_by_nothing),
            TEST(as_many_ranges_as_a_call_holds_are_proved_at_once),
            TEST(every_structure_refers_to_its_clusters),
            TEST(all_that_has_a_refcount_is_referred_to),
            TEST(the_first_of_the_ranges_that_is_used_is_told),
            TEST(an_l2_entry_refers_inside_the_file_and_behind_its_end),
            TEST(an_l2_table_that_is_a_snapshots_alone_refers),
            TEST(a_compressed_cluster_refers_to_all_that_it_touches),
            TEST(a_refcount_tables_entry_refers),
            TEST(a_bitmaps_table_entry_refers),
            TEST(a_stale_list_refers_to_nothing),
            TEST(a_device_is_proved_as_a_file_is),
            TEST(where_metadata_is_malformed_what_can_be_followed_decides),
            TEST(an_image_that_cannot_be_opened_is_told_as_such),
            TEST(ranges_that_are_none_overflow),
            TEST(a_range_that_memory_does_not_hold_is_too_large),
            TEST(a_read_that_fails_is_no_proof),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
