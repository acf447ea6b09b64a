/* SPDX-License-Identifier: MIT */
/*
 * L1 and L2 entries that say what cannot be say something else afterwards; what could be
 * read reads the same (repairs_run() judges it), what could not is told.
 */
#include <string.h>

#include "tests/unit/ops/disk.h"
#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/repairs.h"

#define CLUSTER 4096u
#define MASK    0x00fffffffffffe00ull
#define COPIED  (1ull << 63)
#define FAR     (1ull << 40)
#define L1      40u /* the table's offset, in the header */

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .data_clusters = 9,
    .bitmap_count = 1,
    .bitmaps = {{.name = "one", .granularity_bits = 9, .fill = MADE_DATA}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &base);
        return 0;
}

static uint64_t l1(void)
{
        return peek64(ops.image, L1);
}

static uint64_t l2_table(void)
{
        return peek64(ops.image, l1()) & MASK;
}

static uint64_t l2_entry(uint64_t index)
{
        return l2_table() + index * 8;
}

/* What cluster `index` of the disk reads as (disk.h). */
static uint64_t read_disk(uint64_t index)
{
        struct disk disk;
        disk_read(ops.image, &disk);
        assert_true(index < disk.count);
        uint64_t what = disk.clusters[index];
        disk_free(&disk);
        return what;
}

/* An L2 entry that reads as zeros, or as nothing, before and afterwards. */
static void l2_becomes(uint64_t damaged, uint64_t mended, enum abi_repair_kind kind)
{
        ops_make(&ops, &base);
        poke64(ops.image, l2_entry(3), damaged);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(kind)->detail[0], 1);
        assert_int_equal(peek64(ops.image, l2_entry(3)), mended);
}

static void data_behind_the_end_reads_as_zeros(void **state)
{
        (void)state;
        l2_becomes(FAR | COPIED, 1, ABI_REPAIR_ENTRIES);
        l2_becomes(FAR | 1, 1, ABI_REPAIR_ENTRIES);
}

static void data_that_is_not_aligned_is_lost_and_told(void **state)
{
        (void)state;
        l2_becomes((ops.places.first_data + 512) | COPIED, 1, ABI_REPAIR_DATA_LOST);
        assert_int_equal(repairs_only(ABI_REPAIR_DATA_LOST)->detail[1], 3 * CLUSTER);
        l2_becomes((ops.places.first_data + 512) | COPIED | 1, 1, ABI_REPAIR_ENTRIES);
}

static void reserved_bits_are_cleared(void **state)
{
        uint64_t entry = peek64(ops.image, l2_entry(3));
        uint64_t table = peek64(ops.image, l1());
        (void)state;
        l2_becomes(entry | 1ull << 57, entry, ABI_REPAIR_ENTRIES);
        l2_becomes(entry | 1ull << 61 | 0x1fe, entry, ABI_REPAIR_ENTRIES);
        poke64(ops.image, l1(), table | 1ull << 62 | 0x1ff);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_ENTRIES, 1);
        assert_int_equal(peek64(ops.image, l1()), table);
}

static void a_table_behind_the_end_is_none(void **state)
{
        (void)state;
        poke64(ops.image, l1() + 8, FAR);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_ENTRIES, 1);
        assert_int_equal(peek64(ops.image, l1() + 8), 0);
}

static void a_table_that_is_not_aligned_is_lost_and_told(void **state)
{
        (void)state;
        poke64(ops.image, l1() + 16, (l2_table() + 512) | COPIED);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_told.count, 1);
        const struct abi_report_repair *lost = repairs_only(ABI_REPAIR_TABLE_LOST);
        assert_int_equal(lost->detail[0], 2 * 512ull * CLUSTER);
        assert_int_equal(lost->detail[1], 512ull * CLUSTER);
        assert_int_equal(peek64(ops.image, l1() + 16), 0);
}

static void a_compressed_cluster_behind_the_end_is_lost(void **state)
{
        (void)state;
        l2_becomes(1ull << 62 | FAR, 1, ABI_REPAIR_DATA_LOST);
}

/* What is both goes on as data where it is; the table, which changes, as a copy. */
static void a_table_that_is_data_too_goes_on_as_a_copy(void **state)
{
        uint64_t table = l2_table();
        static uint8_t data[CLUSTER];
        (void)state;
        poke64(ops.image, l2_entry(5), table | COPIED);
        poke64(ops.image, l2_entry(6), FAR);
        native_image_read(ops.image, table, data, sizeof data);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_TABLE_COPIED)->detail[0], table);
        assert_int_equal(repairs_only(ABI_REPAIR_TABLE_COPIED)->detail[1], l2_table());
        assert_int_not_equal(l2_table(), table);
        assert_int_equal(peek64(ops.image, l2_entry(5)), table | COPIED);
        assert_memory_equal(ops.image->bytes + table, data, sizeof data);
}

static void the_l1_table_that_is_data_too_goes_on_as_a_copy(void **state)
{
        uint64_t old = l1();
        static uint8_t data[CLUSTER];
        (void)state;
        poke64(ops.image, l2_entry(5), old | COPIED);
        native_image_read(ops.image, old, data, sizeof data);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_TABLE_COPIED)->detail[0], old);
        assert_int_equal(repairs_only(ABI_REPAIR_TABLE_COPIED)->detail[1], l1());
        assert_int_not_equal(l1(), old);
        assert_memory_equal(ops.image->bytes + old, data, sizeof data);
}

static void the_l1_table_that_is_an_l2_table_too_goes_on_as_a_copy(void **state)
{
        uint64_t old = l1();
        (void)state;
        poke64(ops.image, l1() + 8, old | COPIED);
        repairs_all(&ops, 0);
        assert_true(repairs_count(ABI_REPAIR_TABLE_COPIED) >= 1);
        assert_int_not_equal(l1(), peek64(ops.image, l1() + 8) & MASK);
}

static void metadata_that_is_data_too_stays(void **state)
{
        const uint64_t others[] = {ops.places.refcount_table, ops.places.refcount_block,
                                   ops.places.directory, ops.places.tables[0]};
        (void)state;
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
                ops_make(&ops, &base);
                poke64(ops.image, l2_entry(5), others[i] | COPIED);
                uint64_t before = read_disk(5);
                repairs_all(&ops, 0);
                assert_int_equal(read_disk(5), before);
        }
}

static void clusters_of_two_entries_stay_of_both(void **state)
{
        uint64_t data = ops.places.first_data;
        (void)state;
        poke64(ops.image, l2_entry(20), data | COPIED);
        repairs_all(&ops, 0);
        assert_int_equal(peek_refcount(ops.image, data / CLUSTER), 2);
        assert_int_equal(peek64(ops.image, l2_entry(20)), data);
        assert_int_equal(peek64(ops.image, l2_entry(0)), data);
}

/* The entry that the end cuts in two has a reserved bit in its first half. */
static void an_entry_across_the_end_of_the_file_is_mended(void **state)
{
        uint64_t table = ops.image->size;
        (void)state;
        poke64(ops.image, table + 8, ops.places.first_data);
        poke64(ops.image, table + 16, 1ull << 61 | ops.places.first_data);
        assert_true(native_image_resize(ops.image, table + 20));
        poke64(ops.image, l1() + 8, table | COPIED);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_count(ABI_REPAIR_ENTRIES), 1);
        assert_int_equal(peek64(ops.image, table + 8), ops.places.first_data);
        assert_int_equal(peek64(ops.image, table + 16), 0);
        assert_int_equal(ops.image->size, table + CLUSTER);
}

/* Both snapshots have one L1 table, which is come to twice; and L2's copy lies where
 * nothing was before. */
static void a_table_of_two_snapshots_keeps_what_it_names(void **state)
{
        struct disk before;
        struct disk now;
        (void)state;
        ops.options.snapshots = 2;
        ops_make(&ops, &ops.options);
        uint64_t shared = peek64(ops.image, ops.places.snapshot_table);
        poke64(ops.image, ops.places.snapshot_table + 64, shared);
        poke64(ops.image, l2_entry(20), l2_table());
        disk_read_through(ops.image, shared, 5, &before);
        repairs_all(&ops, 0);
        shared = peek64(ops.image, ops.places.snapshot_table + 64);
        disk_read_through(ops.image, shared, 5, &now);
        assert_true(before.clusters[0] > 1);
        assert_int_equal(disk_difference(&before, &now), UINT64_MAX);
        disk_free(&before);
        disk_free(&now);
}

/* Nor is what the disk and a snapshot have in common lost. */
static void a_table_of_disk_and_snapshot_keeps_what_it_names(void **state)
{
        (void)state;
        ops.options.snapshots = 1;
        ops_make(&ops, &ops.options);
        poke64(ops.image, ops.places.snapshot_table, l1());
        poke64(ops.image, l2_entry(20), l2_table());
        repairs_all(&ops, 0);
        assert_true(read_disk(0) > 1);
        assert_int_equal(peek64(ops.image, ops.places.snapshot_table), l1());
}

/* ---- where the header has the table --------------------------------------------------
 */

static void an_l1_table_with_too_few_entries_gets_them(void **state)
{
        uint64_t entries = peek64(ops.image, 36) >> 32;
        (void)state;
        poke32(ops.image, 36, 1);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_HEADER, 36);
        assert_int_equal(peek64(ops.image, 36) >> 32, entries);
}

static void an_l1_table_that_seems_unaligned_is_found(void **state)
{
        uint64_t place = l1();
        (void)state;
        poke64(ops.image, L1, place + 8);
        repairs_all(&ops, 0);
        repairs_expect(ABI_REPAIR_HEADER, L1);
        assert_int_equal(l1(), place);
        assert_int_not_equal(read_disk(0), 0);
}

int main(void)
{
#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        static const struct CMUnitTest tests[] = {
            REPAIR(data_behind_the_end_reads_as_zeros),
            REPAIR(data_that_is_not_aligned_is_lost_and_told),
            REPAIR(reserved_bits_are_cleared),
            REPAIR(a_table_behind_the_end_is_none),
            REPAIR(a_table_that_is_not_aligned_is_lost_and_told),
            REPAIR(a_compressed_cluster_behind_the_end_is_lost),
            REPAIR(a_table_that_is_data_too_goes_on_as_a_copy),
            REPAIR(the_l1_table_that_is_data_too_goes_on_as_a_copy),
            REPAIR(the_l1_table_that_is_an_l2_table_too_goes_on_as_a_copy),
            REPAIR(metadata_that_is_data_too_stays),
            REPAIR(clusters_of_two_entries_stay_of_both),
            REPAIR(an_entry_across_the_end_of_the_file_is_mended),
            REPAIR(a_table_of_two_snapshots_keeps_what_it_names),
            REPAIR(a_table_of_disk_and_snapshot_keeps_what_it_names),
            REPAIR(an_l1_table_with_too_few_entries_gets_them),
            REPAIR(an_l1_table_that_seems_unaligned_is_found),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
