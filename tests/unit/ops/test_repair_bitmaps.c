/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps: one that cannot be relied on is taken out, or all dirty from then on, and is
 * told by its name; the others keep every bit.
 */
#include "tests/unit/ops/repair_lists.h"

#define CLUSTER 4096u
#define MASK    0x00fffffffffffe00ull

static const char *const not_two[] = {"one", "three", "four", NULL};
static const char *const not_three[] = {"one", "two", "four", NULL};
static const char *const none[] = {NULL};

static uint64_t l2_entry(uint64_t index)
{
        return (peek64(ops.image, ops.places.l1) & MASK) + index * 8;
}

/* ---- the list -------------------------------------------------------------------------
 */

static void an_entry_that_makes_no_sense_leaves_the_others(void **state)
{
        (void)state;
        poke32(ops.image, ops.places.entries[1] + 16, 1u << 24 | 9u << 16 | 0xffffu);
        expect_bitmaps(not_two, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_ENTRY_REMOVED)->detail[0],
                         ops.places.entries[1]);
        make();
        poke32(ops.image, ops.places.entries[1] + 12, 0x80); /* flags */
        expect_bitmaps(not_two, 0);
        assert_string_equal(repairs_name(ABI_REPAIR_BITMAP_REMOVED), "two");
        make();
        poke32(ops.image, ops.places.bitmaps_record + 8, 77); /* number */
        expect_bitmaps(all, 0);
        make();
        poke64(ops.image, ops.places.bitmaps_record + 16, 8); /* size */
        repairs_all(&ops, 0);
        assert_true(ops.read.bitmap_count >= 1);
}

static void a_name_that_was_there_is_removed(void **state)
{
        (void)state;
        native_image_write(ops.image, ops.places.entries[1] + 24, "one", 3);
        expect_bitmaps(not_two, 0);
        assert_string_equal(repairs_name(ABI_REPAIR_BITMAP_REMOVED), "one");
}

static void a_list_that_is_not_there_is_removed(void **state)
{
        (void)state;
        poke64(ops.image, ops.places.bitmaps_record + 24, 1ull << 40);
        expect_bitmaps(none, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_LIST_REMOVED)->detail[0], 1ull << 40);
        assert_int_equal(peek64(ops.image, AUTOCLEAR), 0);
        assert_int_equal(ops.read.extension_hash, old.extension_hash);
}

static void a_stale_list_is_removed(void **state)
{
        (void)state;
        ops.options.stale = true;
        make();
        expect_bitmaps(none, 0);
        repairs_only(ABI_REPAIR_STALE_REMOVED);
        assert_int_equal(ops.read.extension_hash, old.extension_hash);
        assert_int_equal(ops.read.extension_at, 0);
}

static void a_bitmap_in_use_stays_in_use(void **state)
{
        (void)state;
        ops.options.bitmaps[2].flags = 1;
        make();
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_told.count, 0);
}

/* ---- one bitmap -----------------------------------------------------------------------
 */

static void bits_behind_the_end_of_the_disk_are_cleared(void **state)
{
        (void)state;
        ops.options.bitmaps[2].dirty_tail = true;
        make();
        repairs_all(&ops, 0);
        assert_int_equal(repairs_told.count, 1);
        assert_string_equal(repairs_name(ABI_REPAIR_BITMAP_MENDED), "three");
        assert_int_equal(ops.read.bitmap_count, 4);
        for (uint64_t bit = 0; bit < (base.virtual_size + 1023) / 1024; bit++)
                assert_int_equal(read_bit(&old.bitmaps[2], bit),
                                 read_bit(&ops.read.bitmaps[2], bit));
}

/* Removed; or all dirty, with the same name and flags. */
static void expect_lost(uint32_t index, uint64_t entry, enum abi_repair_reason reason)
{
        for (int reset = 0; reset < 2; reset++) {
                make();
                poke64(ops.image, ops.places.tables[index], entry);
                if (!reset) {
                        expect_bitmaps(not_three, 0);
                } else {
                        repairs_all(&ops, ABI_CALL_RESET_DAMAGED);
                        uint64_t bits = (base.virtual_size + 1023) / 1024;
                        assert_int_equal(ops.read.bitmap_count, 4);
                        assert_int_equal(ops_bits_set(&ops, "three"), bits);
                }
                enum abi_repair_kind kind =
                    reset ? ABI_REPAIR_BITMAP_RESET : ABI_REPAIR_BITMAP_REMOVED;
                assert_int_equal(repairs_only(kind)->detail[0], reason);
                assert_string_equal(repairs_name(kind), "three");
                assert_int_equal(ops.read.guest_hash, old.guest_hash);
        }
}

static void a_bitmap_without_its_data_is_lost(void **state)
{
        (void)state;
        expect_lost(2, 1ull << 40, ABI_REPAIR_REASON_BEYOND_END);
        expect_lost(2, ops.image->size, ABI_REPAIR_REASON_BEYOND_END);
        expect_lost(2, 3, ABI_REPAIR_REASON_TABLE);
        expect_lost(2, CLUSTER + 512, ABI_REPAIR_REASON_TABLE);
}

static void a_bitmap_whose_data_is_another_s_is_lost(void **state)
{
        (void)state;
        expect_lost(2, ops.places.first_data, ABI_REPAIR_REASON_SHARED);
        expect_lost(2, l2_entry(0), ABI_REPAIR_REASON_SHARED);
        expect_lost(2, ops.places.refcount_block, ABI_REPAIR_REASON_SHARED);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            REPAIR(an_entry_that_makes_no_sense_leaves_the_others),
            REPAIR(a_name_that_was_there_is_removed),
            REPAIR(a_list_that_is_not_there_is_removed),
            REPAIR(a_stale_list_is_removed),
            REPAIR(a_bitmap_in_use_stays_in_use),
            REPAIR(bits_behind_the_end_of_the_disk_are_cleared),
            REPAIR(a_bitmap_without_its_data_is_lost),
            REPAIR(a_bitmap_whose_data_is_another_s_is_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
