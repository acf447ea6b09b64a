/* SPDX-License-Identifier: MIT */
/*
 * What writes nothing: a mere plan, which tells what a repair would; what cannot be
 * repaired; a repair without memory, of an image that changes under it, or that cannot be
 * read.  A write that fails before the switch is rolled back.
 */
#include <string.h>

#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/repairs.h"

#define MASK  0x00fffffffffffe00ull
#define ALL   ABI_CALL_REPAIR_ALL
#define TABLE 48u /* the refcount table's offset, in the header */

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .data_clusters = 9,
    .free_clusters = 4,
    .snapshots = 1,
    .bitmap_count = 3,
    .bitmaps = {{.name = "one", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "two", .granularity_bits = 9, .fill = MADE_SPARSE},
                {.name = "three", .granularity_bits = 10, .fill = MADE_DATA}},
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

/* Something for every step of the transaction. */
static void damage_much(void)
{
        ops_make(&ops, &base);
        poke64(ops.image, l2_entry(3), 1ull << 40);
        poke64(ops.image, ops.places.tables[0], 1ull << 41);
        poke_refcount(ops.image, ops.places.tables[2] >> 12, 0);
        poke_refcount(ops.image, ops.places.free_clusters >> 12, 3);
        poke_refcount(ops.image, ops.places.first_data >> 12, 5);
}

static void a_plan_writes_nothing_and_tells_all(void **state)
{
        static struct repairs_told planned;
        (void)state;
        for (int rebuild = 0; rebuild < 2; rebuild++) {
                damage_much();
                if (rebuild)
                        poke64(ops.image, TABLE, 512);
                assert_int_equal(repairs_run(&ops, ALL | ABI_CALL_DRY_RUN), ABI_OK);
                planned = repairs_told;
                assert_true(planned.count >= 4);
                repairs_all(&ops, 0);
                assert_memory_equal(&planned, &repairs_told, sizeof planned);
        }
}

static void expect_refusal(uint32_t flags, enum abi_code code, uint64_t detail)
{
        assert_int_equal(repairs_run(&ops, flags), code);
        assert_int_equal(ops.outcome.result.detail[0], detail);
        assert_int_equal(repairs_run(&ops, flags | ABI_CALL_RESET_DAMAGED), code);
        ops_make(&ops, &base);
}

static void what_cannot_be_told_is_refused(void **state)
{
        (void)state;
        poke64(ops.image, 40, ops.image->size + 4096); /* L1 */
        expect_refusal(ALL, ABI_BAD_HEADER, ABI_HEADER_L1);
        poke64(ops.image, 40, ops.places.first_data + 512); /* no such table is there */
        expect_refusal(ALL, ABI_BAD_HEADER, ABI_HEADER_L1);
        poke64(ops.image, 24, UINT64_MAX); /* the disk's size */
        expect_refusal(ALL, ABI_BAD_HEADER, ABI_HEADER_SIZE);
        poke64(ops.image, 72, 1ull << 33); /* incompatible */
        expect_refusal(ALL, ABI_UNKNOWN_INCOMPATIBLE, 1ull << 33);
        poke32(ops.image, 0, 0);
        assert_int_equal(repairs_run(&ops, ALL), ABI_NOT_QCOW2);
}

static void leaks_are_not_given_back_by_refcounts_that_cannot_be_trusted(void **state)
{
        (void)state;
        poke_refcount(ops.image, ops.places.free_clusters >> 12, 1);
        poke64(ops.image, l2_entry(20), ops.places.refcount_block);
        expect_refusal(0, ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_LEAKS);
}

static void without_memory_nothing_is_written(void **state)
{
        uint64_t limit = ABI_ARENA_BASE + (64u << 10);
        (void)state;
        damage_much();
        for (;; limit += 256u << 10) {
                native_host_set_memory_limit(ops.host, limit);
                repairs_run_only(&ops, ALL);
                assert_int_equal(ops.outcome.status, NATIVE_OK);
                if (!ops.outcome.result.code)
                        break;
                assert_int_equal(ops.outcome.result.code, ABI_TOO_LARGE);
                assert_true(native_image_equal(ops.image, &ops.before));
        }
        assert_true(limit > ABI_ARENA_BASE + (600u << 10));
        ops_look(&ops);
        assert_int_equal(ops.read.corruptions + ops.read.leaks, 0);
}

static void a_read_that_fails_ends_it(void **state)
{
        uint64_t nth = 1;
        (void)state;
        damage_much();
        for (;; nth++) {
                native_host_fail_read(ops.host, nth);
                repairs_run_only(&ops, ALL);
                if (ops.outcome.status == NATIVE_OK)
                        break;
                assert_int_equal(ops.outcome.status, NATIVE_READ_ERROR);
                if (ops.outcome.committed) /* what is freed is compared, too */
                        damage_much();
                assert_true(native_image_equal(ops.image, &ops.before));
        }
        native_host_fail_read(ops.host, 0);
        assert_true(nth > 20);
}

/* Behind the switch what is left are leaks, and flags that a refcount belies. */
static void a_write_that_fails_is_rolled_back_or_leaves_little(void **state)
{
        struct repairs_check check;
        uint64_t rolled_back = 0;
        (void)state;
        for (uint64_t nth = 1;; nth++) {
                damage_much();
                native_host_fail_write(ops.host, nth);
                repairs_run_only(&ops, ALL);
                native_host_fail_write(ops.host, 0);
                if (ops.outcome.status == NATIVE_OK)
                        break;
                assert_int_equal(ops.outcome.status, NATIVE_WRITE_ERROR);
                rolled_back += !ops.outcome.committed;
                if (!ops.outcome.committed)
                        assert_true(native_image_equal(ops.image, &ops.before));
                repairs_check(&ops, &check);
                if (ops.outcome.committed)
                        assert_int_equal(check.sums.corruptions,
                                         check.findings[ABI_FINDING_COPIED_L2] +
                                             check.findings[ABI_FINDING_COPIED_DATA]);
        }
        assert_true(rolled_back > 3);
}

/* Another program writes to the header before this doorbell is answered. */
static void intrude(void *context, struct native_image *image, uint64_t doorbell)
{
        if (doorbell == *(uint64_t *)context)
                poke64(image, 4000, doorbell);
}

/* From the moment when it has been read to the journal: it is the last doorbell that
 * writes. */
static void a_header_that_changes_is_noticed(void **state)
{
        uint64_t noticed = 0;
        (void)state;
        damage_much();
        repairs_run_only(&ops, ALL);
        uint64_t last = ops.outcome.doorbells;
        for (uint64_t doorbell = 1; doorbell <= last; doorbell++) {
                damage_much();
                native_host_set_hook(ops.host, intrude, &doorbell);
                repairs_run_only(&ops, ALL);
                native_host_set_hook(ops.host, NULL, NULL);
                if (ops.outcome.status == NATIVE_OK && !noticed)
                        continue;
                assert_int_equal(ops.outcome.status, NATIVE_CHANGED);
                assert_int_equal(native_trace_changes(native_host_trace(ops.host)), 0);
                noticed++;
        }
        assert_true(noticed > last / 2);
}

int main(void)
{
#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        static const struct CMUnitTest tests[] = {
            REPAIR(a_plan_writes_nothing_and_tells_all),
            REPAIR(what_cannot_be_told_is_refused),
            REPAIR(leaks_are_not_given_back_by_refcounts_that_cannot_be_trusted),
            REPAIR(without_memory_nothing_is_written),
            REPAIR(a_read_that_fails_ends_it),
            REPAIR(a_write_that_fails_is_rolled_back_or_leaves_little),
            REPAIR(a_header_that_changes_is_noticed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
