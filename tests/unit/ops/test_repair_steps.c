/* SPDX-License-Identifier: MIT */
/* What has to be durable before what: in a step of its own, with a barrier behind it.
 * And what flags say where only leaks are given back. */
#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/repairs.h"

#define CLUSTER 512u
#define MASK    0x00fffffffffffe00ull
#define COPIED  (1ull << 63)

static const struct made_options base = {
    .cluster_bits = 9,
    .virtual_size = 2ull << 20,
    .data_clusters = 70, /* of two L2 tables */
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static uint64_t l2_entry(uint64_t table, uint64_t index)
{
        return (peek64(ops.image, ops.places.l1 + table * 8) & MASK) + index * 8;
}

static uint64_t refcount_at(uint64_t cluster)
{
        return ops.places.refcount_block + cluster * 2;
}

/* How many barriers there were before this byte was written, the first time; it has to
 * be. */
static uint32_t barriers_before(uint64_t offset)
{
        const struct native_trace *trace = native_host_trace(ops.host);
        uint32_t barriers = 0;
        for (size_t i = 0; i < trace->count; i++) {
                const struct native_event *event = &trace->events[i];
                barriers += event->kind == NATIVE_BARRIER;
                if (event->kind == NATIVE_WRITE && offset - event->offset < event->length)
                        return barriers;
        }
        fail_msg("offset %llu is not written", (unsigned long long)offset);
        return 0;
}

static void repair(void)
{
        repairs_run_only(&ops, ABI_CALL_REPAIR_ALL);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        assert_int_equal(ops.outcome.result.code, ABI_OK);
}

static void unflag(uint64_t entry, uint16_t refcount)
{
        uint64_t data = peek64(ops.image, entry) & MASK;
        poke64(ops.image, entry, data);
        poke_refcount(ops.image, data / CLUSTER, refcount);
}

/* A flag says that the refcount is 1: not before it is. */
static void flags_are_set_once_refcounts_are_lowered(void **state)
{
        uint64_t first = peek64(ops.image, l2_entry(0, 3)) & MASK;
        uint64_t second = peek64(ops.image, l2_entry(1, 2)) & MASK;
        (void)state;
        unflag(l2_entry(0, 3), 5);
        unflag(l2_entry(1, 2), 2);
        repair();
        uint32_t flags = barriers_before(l2_entry(0, 3));
        assert_true(barriers_before(refcount_at(first / CLUSTER) + 1) < flags);
        assert_true(barriers_before(refcount_at(second / CLUSTER) + 1) < flags);
        assert_true(flags <= barriers_before(l2_entry(1, 2)));
}

/* Two use the cluster: the refcount says so before the flags do. */
static void refcounts_are_raised_before_flags_are_cleared(void **state)
{
        uint64_t data = ops.places.first_data;
        (void)state;
        poke64(ops.image, l2_entry(0, 40), data | COPIED);
        repair();
        assert_true(barriers_before(refcount_at(data / CLUSTER) + 1) <
                    barriers_before(l2_entry(0, 0)));
}

/* The copy of a table, its refcount, the entry that names it. */
static void a_copy_is_counted_before_it_is_named(void **state)
{
        uint64_t copy = ops.image->size;
        uint64_t table = l2_entry(1, 0);
        (void)state;
        poke64(ops.image, l2_entry(0, 5), table | COPIED);
        repair();
        assert_int_equal(l2_entry(1, 0), copy);
        uint32_t counted = barriers_before(refcount_at(copy / CLUSTER) + 1);
        assert_true(barriers_before(copy) < counted);
        assert_true(counted < barriers_before(ops.places.l1 + 8));
}

/* ---- leaks alone ---------------------------------------------------------------------
 */

static void flags_follow_where_leaks_are_given_back(void **state)
{
        struct repairs_check check;
        (void)state;
        unflag(l2_entry(0, 3), 5);
        repairs_check(&ops, &check);
        assert_int_equal(check.sums.corruptions, 0);
        assert_int_equal(repairs_run(&ops, 0), ABI_OK);
        assert_int_equal(repairs_count(ABI_REPAIR_LEAKS), 1);
        assert_int_equal(repairs_count(ABI_REPAIR_COPIED), 1);
        assert_true(peek64(ops.image, l2_entry(0, 3)) & COPIED);
        repairs_check(&ops, &check);
        assert_true(repairs_is_clean(&check));
}

/* The disk reads the table: repairs_run() sees that it reads the same. */
static void flags_of_a_table_that_is_data_too_stay(void **state)
{
        uint64_t table = l2_entry(1, 0);
        (void)state;
        poke64(ops.image, l2_entry(0, 40), table);
        poke_refcount(ops.image, table / CLUSTER, 9);
        poke64(ops.image, l2_entry(1, 2), peek64(ops.image, l2_entry(1, 2)) & ~COPIED);
        assert_int_equal(repairs_run(&ops, 0), ABI_OK);
        assert_int_equal(peek_refcount(ops.image, table / CLUSTER), 2);
        assert_false(peek64(ops.image, l2_entry(1, 2)) & COPIED);
}

int main(void)
{
#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        static const struct CMUnitTest tests[] = {
            REPAIR(flags_are_set_once_refcounts_are_lowered),
            REPAIR(refcounts_are_raised_before_flags_are_cleared),
            REPAIR(a_copy_is_counted_before_it_is_named),
            REPAIR(flags_follow_where_leaks_are_given_back),
            REPAIR(flags_of_a_table_that_is_data_too_stay),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
