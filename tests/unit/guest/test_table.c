/* SPDX-License-Identifier: MIT */
/* Geometry of bitmaps and the meaning of table entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/qcow2/table.h"

static struct header disk(uint32_t cluster_bits, uint64_t size)
{
        return (struct header){.cluster_bits = cluster_bits,
                               .cluster_size = 1ull << cluster_bits,
                               .size = size};
}

static void sizes_round_up(void **state)
{
        (void)state;
        struct header h = disk(9, 512 * 4096);
        assert_int_equal(bitmap_bits(&h, 9), 4096);
        assert_int_equal(bitmap_bytes(&h, 9), 512);
        assert_int_equal(bitmap_table_entries(&h, 9), 1);
        h.size += 512;
        assert_int_equal(bitmap_bits(&h, 9), 4097);
        assert_int_equal(bitmap_bytes(&h, 9), 513);
        assert_int_equal(bitmap_table_entries(&h, 9), 2);
        assert_int_equal(table_clusters(&h, 64), 1);
        assert_int_equal(table_clusters(&h, 65), 2);
}

/* QEMU counts sectors: what is left of the last one is no part of the disk. */
static void part_of_a_sector_does_not_count(void **state)
{
        (void)state;
        struct header h = disk(9, 512 * 4096 + 511);
        assert_int_equal(bitmap_bits(&h, 9), 4096);
        assert_int_equal(bitmap_table_entries(&h, 9), 1);
        h.size = 511;
        assert_int_equal(bitmap_bits(&h, 9), 0);
}

static void largest_disk_does_not_overflow(void **state)
{
        (void)state;
        struct header h = disk(9, UINT64_MAX);
        assert_int_equal(bitmap_bits(&h, 9), (1ull << 55) - 1);
        assert_int_equal(bitmap_table_entries(&h, 9), 1ull << 43);
        assert_false(bitmap_size_allowed(&h, 9));
        assert_false(bitmap_size_allowed(&h, 31));
}

/* QEMU: 16 TiB takes 4 KiB and refuses 2 KiB; 256 TiB takes 64 KiB. */
static void limits_are_qemus(void **state)
{
        (void)state;
        for (uint32_t bits = 9; bits <= 21; bits++) {
                struct header h = disk(bits, 16ull << 40);
                assert_true(bitmap_size_allowed(&h, 12));
                assert_false(bitmap_size_allowed(&h, 11));
                h.size = 256ull << 40;
                assert_true(bitmap_size_allowed(&h, 16));
                assert_false(bitmap_size_allowed(&h, 15));
                h.size += 512;
                assert_false(bitmap_size_allowed(&h, 16));
        }
}

static void entries_are_classified(void **state)
{
        (void)state;
        struct header h = disk(16, 1 << 30);
        const uint64_t end = 10 << 16;
        assert_int_equal(table_entry_kind(&h, 0, end), TABLE_ENTRY_ZEROS);
        assert_int_equal(table_entry_kind(&h, 1, end), TABLE_ENTRY_ONES);
        assert_int_equal(table_entry_kind(&h, 1 << 16, end), TABLE_ENTRY_DATA);
        assert_int_equal(table_entry_kind(&h, 9 << 16, end), TABLE_ENTRY_DATA);
        assert_int_equal(table_entry_kind(&h, 10 << 16, end), TABLE_ENTRY_INVALID);
        assert_int_equal(table_entry_kind(&h, 1 << 15, end), TABLE_ENTRY_INVALID);
        assert_int_equal(table_entry_kind(&h, (1 << 16) + 1, end), TABLE_ENTRY_INVALID);
        for (int bit = 1; bit < 9; bit++)
                assert_int_equal(table_entry_kind(&h, 1ull << bit, end),
                                 TABLE_ENTRY_INVALID);
        for (int bit = 56; bit < 64; bit++)
                assert_int_equal(table_entry_kind(&h, 1ull << bit | 1 << 16, end),
                                 TABLE_ENTRY_INVALID);
        assert_int_equal(table_entry_kind(&h, UINT64_MAX, UINT64_MAX),
                         TABLE_ENTRY_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(sizes_round_up),
            cmocka_unit_test(part_of_a_sector_does_not_count),
            cmocka_unit_test(largest_disk_does_not_overflow),
            cmocka_unit_test(limits_are_qemus),
            cmocka_unit_test(entries_are_classified),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
