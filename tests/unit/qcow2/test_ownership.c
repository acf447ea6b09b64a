/* SPDX-License-Identifier: MIT */
/*
 * One crafted owner a test: its clusters do not hold, their free neighbours do, at
 * every cluster size.  So a proof that says yes to all, or no to all, fails here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guest/qcow2/ownership.h"
#include "tests/unit/qcow2/ownership_image.h"
#include "tests/unit/qcow2/ownership_platform.h"

static const uint32_t all_cluster_bits[] = {9, 12, 16, 21};
#define CLUSTER_SIZES (sizeof all_cluster_bits / sizeof all_cluster_bits[0])

static struct ownership *begin(const struct crafted_image *image)
{
        struct ownership *ownership;
        platform_start(image->bytes, image->size, PLATFORM_ARENA);
        assert_int_equal(ownership_begin(&image->header, image->size, &ownership),
                         ABI_OK);
        return ownership;
}

static void claim(struct ownership *ownership, uint64_t first, uint64_t count)
{
        assert_int_equal(ownership_claim(ownership, first, count), ABI_OK);
}

static void seal(struct ownership *ownership)
{
        assert_int_equal(ownership_seal(ownership), ABI_OK);
}

static bool prove(struct ownership *ownership, bool scan_l2)
{
        bool provable;
        assert_int_equal(ownership_prove(ownership, scan_l2, &provable), ABI_OK);
        return provable;
}

static void contest_other_bitmap(struct ownership *ownership,
                                 const struct crafted_image *image)
{
        struct foreign_range directory = {
            crafted_offset(image, CRAFTED_OTHER_DIRECTORY) + 40, 32};
        ownership_contest(ownership, directory);
        ownership_contest_table(ownership, crafted_offset(image, CRAFTED_OTHER_TABLE),
                                CRAFTED_TABLE_ENTRIES);
}

/* Claim the `count` clusters of an owner and one on each side. */
static void assert_only_these_fail(const struct crafted_image *image, uint64_t cluster,
                                   uint64_t count)
{
        struct ownership *ownership = begin(image);
        claim(ownership, cluster - 1, count + 2);
        seal(ownership);
        contest_other_bitmap(ownership, image);
        assert_true(prove(ownership, true));
        assert_true(ownership_holds(ownership, cluster - 1));
        for (uint64_t i = 0; i < count; i++)
                assert_false(ownership_holds(ownership, cluster + i));
        assert_true(ownership_holds(ownership, cluster + count));
}

static void at_every_cluster_size(uint64_t incompatible, uint64_t cluster, uint64_t count)
{
        for (size_t i = 0; i < CLUSTER_SIZES; i++) {
                struct crafted_image image;
                crafted_image_make(&image, all_cluster_bits[i], incompatible);
                assert_only_these_fail(&image, cluster, count);
                crafted_image_free(&image);
        }
}

#define OWNER_TEST(name, cluster, count)                                                 \
        static void name(void **state)                                                   \
        {                                                                                \
                (void)state;                                                             \
                at_every_cluster_size(0, cluster, count);                                \
        }

OWNER_TEST(l1_table_does_not_hold, CRAFTED_L1, 1)
OWNER_TEST(l2_table_does_not_hold, CRAFTED_L2, 1)
OWNER_TEST(l2_table_of_a_later_l1_entry_does_not_hold, CRAFTED_SECOND_L2, 1)
OWNER_TEST(guest_data_does_not_hold, CRAFTED_DATA, 1)
OWNER_TEST(guest_data_of_a_later_l2_table_does_not_hold, CRAFTED_SECOND_DATA, 1)
OWNER_TEST(allocated_cluster_that_reads_as_zeros_does_not_hold, CRAFTED_ZERO_FLAG_DATA, 1)
OWNER_TEST(compressed_data_does_not_hold, CRAFTED_COMPRESSED, 1)
OWNER_TEST(compressed_data_over_two_clusters_does_not_hold, CRAFTED_STRADDLING, 2)
OWNER_TEST(refcount_table_does_not_hold, CRAFTED_REFCOUNT_TABLE, 1)
OWNER_TEST(refcount_block_does_not_hold, CRAFTED_REFCOUNT_BLOCK, 1)
OWNER_TEST(snapshot_table_does_not_hold, CRAFTED_SNAPSHOT_TABLE, 1)
OWNER_TEST(snapshot_l1_table_does_not_hold, CRAFTED_SNAPSHOT_L1, 1)
OWNER_TEST(second_snapshots_l1_table_does_not_hold, CRAFTED_SECOND_SNAPSHOT_L1, 1)
OWNER_TEST(snapshot_l2_table_does_not_hold, CRAFTED_SNAPSHOT_L2, 1)
OWNER_TEST(guest_data_of_a_snapshot_only_does_not_hold, CRAFTED_SNAPSHOT_DATA, 1)
OWNER_TEST(luks_header_does_not_hold, CRAFTED_LUKS, 2)
OWNER_TEST(other_bitmaps_directory_does_not_hold, CRAFTED_OTHER_DIRECTORY, 1)
OWNER_TEST(other_bitmaps_table_does_not_hold, CRAFTED_OTHER_TABLE, 1)
OWNER_TEST(other_bitmaps_data_does_not_hold, CRAFTED_OTHER_DATA, 1)

static void header_cluster_does_not_hold(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, 0, 2);
        seal(ownership);
        assert_true(prove(ownership, true));
        assert_false(ownership_holds(ownership, 0));
        assert_true(ownership_holds(ownership, 1));
        crafted_image_free(&image);
}

/* Every cluster at once: what holds is exactly what nobody owns. */
static void exactly_the_unowned_clusters_hold(void **state)
{
        (void)state;
        for (size_t i = 0; i < CLUSTER_SIZES; i++) {
                struct crafted_image image;
                crafted_image_make(&image, all_cluster_bits[i], 0);
                struct ownership *ownership = begin(&image);
                claim(ownership, 0, CRAFTED_CLUSTERS + 10);
                seal(ownership);
                contest_other_bitmap(ownership, &image);
                assert_true(prove(ownership, true));
                for (uint64_t cluster = 0; cluster < CRAFTED_CLUSTERS + 10; cluster++) {
                        bool second = cluster == CRAFTED_STRADDLING + 1 ||
                                      cluster == CRAFTED_LUKS + 1;
                        bool even_area = cluster < CRAFTED_STRADDLING + 1 ||
                                         cluster > CRAFTED_LUKS + 1;
                        bool owned = second || cluster % 2 == (even_area ? 0 : 1);
                        assert_int_equal(ownership_holds(ownership, cluster),
                                         !owned && cluster < CRAFTED_CLUSTERS);
                }
                crafted_image_free(&image);
        }
}

static void cluster_claimed_twice_does_not_hold(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, CRAFTED_CLUSTERS - 1, 1);
        claim(ownership, CRAFTED_LUKS + 2, 1);
        claim(ownership, CRAFTED_SNAPSHOT_TABLE - 1, 1);
        claim(ownership, CRAFTED_LUKS + 2, 1);
        seal(ownership);
        assert_true(prove(ownership, true));
        assert_false(ownership_holds(ownership, CRAFTED_LUKS + 2));
        assert_true(ownership_holds(ownership, CRAFTED_CLUSTERS - 1));
        assert_true(ownership_holds(ownership, CRAFTED_SNAPSHOT_TABLE - 1));
        crafted_image_free(&image);
}

static void overlap_of_claimed_runs_does_not_hold(void **state)
{
        static uint8_t nothing[512 * 64];
        struct header header = {.cluster_bits = 9,
                                .cluster_size = 512,
                                .refcount_table_offset = 512,
                                .refcount_table_clusters = 1};
        struct crafted_image image = {
            .header = header, .bytes = nothing, .size = sizeof nothing};
        (void)state;
        struct ownership *ownership = begin(&image);
        claim(ownership, 20, 20); /* 20..39 */
        claim(ownership, 10, 12); /* 10..21 */
        claim(ownership, 30, 4);  /* 30..33 */
        claim(ownership, 40, 2);  /* touches */
        claim(ownership, 41, 3);  /* 41..43 */
        seal(ownership);
        assert_true(prove(ownership, true));
        for (uint64_t i = 0; i < 64; i++) {
                bool once = (i >= 10 && i < 44) && i != 20 && i != 21 && i != 41 &&
                            !(i >= 30 && i < 34);
                assert_int_equal(ownership_holds(ownership, i), once);
        }
}

static void cluster_that_was_not_claimed_does_not_hold(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 12, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, 1, 1);
        seal(ownership);
        assert_true(prove(ownership, true));
        assert_true(ownership_holds(ownership, 1));
        assert_false(ownership_holds(ownership, 3));
        assert_false(ownership_holds(ownership, UINT64_MAX));
        crafted_image_free(&image);
}

static void cluster_beyond_the_end_of_the_file_does_not_hold(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        image.size -= 65536 - 1; /* the last cluster is there with one byte */
        struct ownership *ownership = begin(&image);
        claim(ownership, CRAFTED_CLUSTERS - 1, 3);
        claim(ownership, UINT64_MAX, 1);
        claim(ownership, UINT64_MAX >> 16, 1);
        seal(ownership);
        assert_true(prove(ownership, true));
        assert_true(ownership_holds(ownership, CRAFTED_CLUSTERS - 1));
        assert_false(ownership_holds(ownership, CRAFTED_CLUSTERS));
        assert_false(ownership_holds(ownership, UINT64_MAX));
        assert_false(ownership_holds(ownership, UINT64_MAX >> 16));
        crafted_image_free(&image);
}

static void extended_l2_entries_are_sixteen_bytes(void **state)
{
        const uint64_t clusters[] = {CRAFTED_L2, CRAFTED_DATA, CRAFTED_ZERO_FLAG_DATA,
                                     CRAFTED_SECOND_DATA, CRAFTED_SNAPSHOT_DATA};
        (void)state;
        /* The subclusters' bitmaps look like the last cluster's offset. */
        at_every_cluster_size(QCOW2_INCOMPATIBLE_EXTENDED_L2, CRAFTED_STRADDLING, 2);
        for (size_t i = 0; i < sizeof clusters / sizeof clusters[0]; i++)
                at_every_cluster_size(QCOW2_INCOMPATIBLE_EXTENDED_L2, clusters[i], 1);
}

/* L2 entries name offsets in the data file, metadata stays in this one. */
static void data_file_offsets_are_not_this_files(void **state)
{
        (void)state;
        for (size_t i = 0; i < CLUSTER_SIZES; i++) {
                struct crafted_image image;
                crafted_image_make(&image, all_cluster_bits[i],
                                   QCOW2_INCOMPATIBLE_DATA_FILE);
                struct ownership *ownership = begin(&image);
                claim(ownership, 1, CRAFTED_CLUSTERS - 1);
                seal(ownership);
                assert_true(prove(ownership, true));
                assert_true(ownership_holds(ownership, CRAFTED_DATA));
                assert_true(ownership_holds(ownership, CRAFTED_ZERO_FLAG_DATA));
                assert_true(ownership_holds(ownership, CRAFTED_SECOND_DATA));
                assert_true(ownership_holds(ownership, CRAFTED_SNAPSHOT_DATA));
                assert_false(ownership_holds(ownership, CRAFTED_L2));
                assert_false(ownership_holds(ownership, CRAFTED_SECOND_L2));
                assert_false(ownership_holds(ownership, CRAFTED_SNAPSHOT_L2));
                crafted_image_free(&image);
        }
}

static void without_the_scan_only_l2_entries_are_trusted(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, 1, CRAFTED_CLUSTERS - 1);
        seal(ownership);
        assert_true(prove(ownership, false));
        assert_true(ownership_holds(ownership, CRAFTED_DATA));
        assert_true(ownership_holds(ownership, CRAFTED_SNAPSHOT_DATA));
        assert_false(ownership_holds(ownership, CRAFTED_L2));
        assert_false(ownership_holds(ownership, CRAFTED_SNAPSHOT_L2));
        assert_false(ownership_holds(ownership, CRAFTED_SNAPSHOT_L1));
        assert_false(ownership_holds(ownership, CRAFTED_REFCOUNT_BLOCK));
        crafted_image_free(&image);
}

static void other_bitmaps_may_be_contested_after_the_proof(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, CRAFTED_OTHER_DIRECTORY, 6);
        seal(ownership);
        assert_true(prove(ownership, true));
        assert_true(ownership_holds(ownership, CRAFTED_OTHER_DATA));
        contest_other_bitmap(ownership, &image);
        assert_false(ownership_holds(ownership, CRAFTED_OTHER_DIRECTORY));
        assert_false(ownership_holds(ownership, CRAFTED_OTHER_TABLE));
        assert_false(ownership_holds(ownership, CRAFTED_OTHER_DATA));
        assert_true(ownership_holds(ownership, CRAFTED_OTHER_DATA + 1));
        crafted_image_free(&image);
}

static void contested_range_without_an_end_reaches_the_files_end(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, 1, 1);
        claim(ownership, CRAFTED_CLUSTERS - 1, 1);
        seal(ownership);
        ownership_contest(ownership, (struct foreign_range){2 << 16, UINT64_MAX});
        ownership_contest(ownership, (struct foreign_range){1 << 16, 0});
        assert_true(prove(ownership, true));
        assert_true(ownership_holds(ownership, 1));
        assert_false(ownership_holds(ownership, CRAFTED_CLUSTERS - 1));
        crafted_image_free(&image);
}

static void wrong_calling_order_fails_safe(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *unsealed = begin(&image);
        claim(unsealed, 1, 1);
        assert_false(prove(unsealed, true));
        assert_false(ownership_holds(unsealed, 1));

        struct ownership *early = begin(&image);
        claim(early, 1, 1);
        contest_other_bitmap(early, &image);
        seal(early);
        assert_false(prove(early, true));
        assert_false(ownership_holds(early, 1));

        struct ownership *late = begin(&image);
        claim(late, 1, 1);
        seal(late);
        assert_false(ownership_holds(late, 1)); /* not proved yet */
        claim(late, 1, 1);
        assert_false(prove(late, true));
        assert_false(ownership_holds(late, 1));
        crafted_image_free(&image);
}

static void image_without_snapshots_is_proved_in_two_reads(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 12, 0);
        image.header.snapshot_count = 0;
        struct ownership *ownership = begin(&image);
        claim(ownership, 1, 1);
        seal(ownership);
        contest_other_bitmap(ownership, &image);
        assert_true(prove(ownership, true));
        assert_int_equal(platform_rings, 2);
        crafted_image_free(&image);
}

static void nothing_claimed_reads_nothing(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 16, 0);
        struct ownership *ownership = begin(&image);
        seal(ownership);
        contest_other_bitmap(ownership, &image);
        assert_true(prove(ownership, true));
        assert_int_equal(platform_rings, 0);
        assert_false(ownership_holds(ownership, 1));
        crafted_image_free(&image);
}

static void l2_table_that_snapshots_share_is_read_once(void **state)
{
        struct crafted_image image;
        (void)state;
        crafted_image_make(&image, 21, 0);
        struct ownership *ownership = begin(&image);
        claim(ownership, 1, 1);
        seal(ownership);
        assert_true(prove(ownership, true));
        /* three L2 tables, the refcount table, and some L1 entries */
        assert_in_range(platform_bytes_read, 4u << 21, (4u << 21) + 4096);
        crafted_image_free(&image);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(header_cluster_does_not_hold),
            cmocka_unit_test(l1_table_does_not_hold),
            cmocka_unit_test(l2_table_does_not_hold),
            cmocka_unit_test(l2_table_of_a_later_l1_entry_does_not_hold),
            cmocka_unit_test(guest_data_does_not_hold),
            cmocka_unit_test(guest_data_of_a_later_l2_table_does_not_hold),
            cmocka_unit_test(allocated_cluster_that_reads_as_zeros_does_not_hold),
            cmocka_unit_test(compressed_data_does_not_hold),
            cmocka_unit_test(compressed_data_over_two_clusters_does_not_hold),
            cmocka_unit_test(refcount_table_does_not_hold),
            cmocka_unit_test(refcount_block_does_not_hold),
            cmocka_unit_test(snapshot_table_does_not_hold),
            cmocka_unit_test(snapshot_l1_table_does_not_hold),
            cmocka_unit_test(second_snapshots_l1_table_does_not_hold),
            cmocka_unit_test(snapshot_l2_table_does_not_hold),
            cmocka_unit_test(guest_data_of_a_snapshot_only_does_not_hold),
            cmocka_unit_test(luks_header_does_not_hold),
            cmocka_unit_test(other_bitmaps_directory_does_not_hold),
            cmocka_unit_test(other_bitmaps_table_does_not_hold),
            cmocka_unit_test(other_bitmaps_data_does_not_hold),
            cmocka_unit_test(exactly_the_unowned_clusters_hold),
            cmocka_unit_test(cluster_claimed_twice_does_not_hold),
            cmocka_unit_test(overlap_of_claimed_runs_does_not_hold),
            cmocka_unit_test(cluster_that_was_not_claimed_does_not_hold),
            cmocka_unit_test(cluster_beyond_the_end_of_the_file_does_not_hold),
            cmocka_unit_test(extended_l2_entries_are_sixteen_bytes),
            cmocka_unit_test(data_file_offsets_are_not_this_files),
            cmocka_unit_test(without_the_scan_only_l2_entries_are_trusted),
            cmocka_unit_test(other_bitmaps_may_be_contested_after_the_proof),
            cmocka_unit_test(contested_range_without_an_end_reaches_the_files_end),
            cmocka_unit_test(wrong_calling_order_fails_safe),
            cmocka_unit_test(image_without_snapshots_is_proved_in_two_reads),
            cmocka_unit_test(nothing_claimed_reads_nothing),
            cmocka_unit_test(l2_table_that_snapshots_share_is_read_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
