/* SPDX-License-Identifier: MIT */
/*
 * Header, extensions and snapshots: what can be told from the rest is as it was again;
 * bitmaps keep every bit.
 */
#include "tests/unit/ops/repair_lists.h"

#define FLAGS      72u /* incompatible */
#define FEATURES   0x6803f857u
#define SNAPSHOTS  64u /* the table's offset, in the header */
#define EXTRA_SIZE 36u /* in a snapshot's entry */

/* ---- header and extensions ------------------------------------------------------------
 */

static void a_record_has_its_length_again(void **state)
{
        static const uint32_t lengths[] = {0, 23, 25, 32, 64, 4096, UINT32_MAX};
        (void)state;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                ops.options.record_behind = 0;
                make();
                poke32(ops.image, ops.places.bitmaps_record + 4, lengths[i]);
                expect_bitmaps(all, 0);
                repairs_expect(ABI_REPAIR_EXTENSION, ops.places.bitmaps_record);
                assert_true(native_image_equal(ops.image, &sound));
        }
}

static void a_record_that_hides_the_bitmaps_gives_them_back(void **state)
{
        static const uint32_t lengths[] = {100, 56, 47 + 32, 40, 5000};
        (void)state;
        ops.options.record_behind = 0;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                make();
                poke32(ops.image, 112, FEATURES);
                poke32(ops.image, 116, lengths[i]);
                expect_bitmaps(all, 0);
                assert_int_equal(peek64(ops.image, 112), (uint64_t)FEATURES << 32 | 48);
        }
}

/* It begins in the header's first sector, or behind it, or lies in both. */
static void records_behind_the_first_sector_are_mended(void **state)
{
        (void)state;
        for (uint32_t before = 320; before <= 440; before += 8) {
                ops.options.record_before = before;
                ops.options.record_behind = 0;
                ops.options.stale = false;
                make();
                poke32(ops.image, ops.places.bitmaps_record + 4, 40);
                expect_bitmaps(all, 0);
                assert_true(native_image_equal(ops.image, &sound));
                ops.options.record_behind = 48;
                ops.options.stale = true;
                make();
                repairs_all(&ops, 0);
                assert_int_equal(ops.read.bitmap_count, 0);
                assert_int_equal(ops.read.extension_hash, old.extension_hash);
        }
}

static void marks_are_cleared(void **state)
{
        (void)state;
        for (uint64_t marks = 1; marks <= 3; marks++) {
                make();
                poke64(ops.image, FLAGS, marks);
                expect_bitmaps(all, 0);
                repairs_expect(ABI_REPAIR_MARKS, marks);
                assert_true(native_image_equal(ops.image, &sound));
        }
}

static void unknown_autoclear_bits_are_cleared(void **state)
{
        (void)state;
        poke64(ops.image, AUTOCLEAR, 1 | 1ull << 40);
        expect_bitmaps(all, 0);
        repairs_expect(ABI_REPAIR_AUTOCLEAR, 1ull << 40);
        assert_true(native_image_equal(ops.image, &sound));
}

/* ---- snapshots ------------------------------------------------------------------------
 */

static void a_snapshot_has_what_version_3_demands(void **state)
{
        (void)state;
        ops.options.snapshots = 1;
        make();
        uint64_t at = ops.places.snapshot_table;
        uint64_t l1 = peek64(ops.image, at);
        poke32(ops.image, at + EXTRA_SIZE, 0);
        poke32(ops.image, at + 32, 77); /* of the machine's state */
        poke32(ops.image, at + 40, 0x31736e00u);
        expect_bitmaps(all, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_SNAPSHOT_TABLE)->detail[0], 1);
        at = peek64(ops.image, SNAPSHOTS);
        assert_int_equal(peek64(ops.image, at), l1);
        assert_int_equal(peek64(ops.image, at + EXTRA_SIZE) >> 32, 16);
        assert_int_equal(peek64(ops.image, at + 40), 77);
        assert_int_equal(peek64(ops.image, at + 48), base.virtual_size);
        assert_int_equal(peek64(ops.image, at + 56) >> 32, 0x31736e00u);
}

static void a_snapshot_without_a_table_is_removed(void **state)
{
        (void)state;
        ops.options.snapshots = 3;
        make();
        uint64_t at = ops.places.snapshot_table;
        uint64_t third = peek64(ops.image, at + 128);
        poke64(ops.image, at + 64, 1ull << 40);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_SNAPSHOT_REMOVED)->detail[0], 1);
        at = peek64(ops.image, SNAPSHOTS);
        assert_int_equal(peek64(ops.image, 60) >> 32, 2);
        assert_int_equal(peek64(ops.image, at + 64), third);
        assert_true(read_same_list(&old, &ops.read));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            REPAIR(a_record_has_its_length_again),
            REPAIR(a_record_that_hides_the_bitmaps_gives_them_back),
            REPAIR(records_behind_the_first_sector_are_mended),
            REPAIR(marks_are_cleared),
            REPAIR(unknown_autoclear_bits_are_cleared),
            REPAIR(a_snapshot_has_what_version_3_demands),
            REPAIR(a_snapshot_without_a_table_is_removed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
