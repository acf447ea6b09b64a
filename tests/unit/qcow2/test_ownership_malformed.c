/* SPDX-License-Identifier: MIT */
/*
 * What a damaged or hostile image says about itself proves nothing: each of these
 * faults alone makes a proof that would otherwise succeed impossible.  And what only
 * looks like a fault does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guest/qcow2/ownership.h"
#include "tests/unit/qcow2/ownership_image.h"
#include "tests/unit/qcow2/ownership_platform.h"

#define CLUSTER 65536ull
#define BEHIND  ((uint64_t)CRAFTED_CLUSTERS * CLUSTER)

/* One 8-byte write into the crafted image, or a change of any kind. */
struct fault {
        const char *name;
        bool write;
        uint64_t cluster, byte, value;
        uint64_t incompatible;
        void (*change)(struct crafted_image *image);
        bool harmless;
};

static bool is_provable(struct crafted_image *image, uint64_t claimed, bool *holds)
{
        struct ownership *ownership;
        bool provable;
        platform_start(image->bytes, image->size, PLATFORM_ARENA);
        assert_int_equal(ownership_begin(&image->header, image->size, &ownership),
                         ABI_OK);
        assert_int_equal(ownership_claim(ownership, claimed, 1), ABI_OK);
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        ownership_contest_table(ownership, crafted_offset(image, CRAFTED_OTHER_TABLE),
                                CRAFTED_TABLE_ENTRIES);
        assert_int_equal(ownership_prove(ownership, true, &provable), ABI_OK);
        *holds = ownership_holds(ownership, claimed);
        return provable;
}

static void fault_is_seen(void **state)
{
        const struct fault *fault = *state;
        struct crafted_image image;
        bool holds;
        crafted_image_make(&image, 16, fault->incompatible);
        assert_true(is_provable(&image, 1, &holds));
        assert_true(holds);
        if (fault->write)
                crafted_put64(&image,
                              crafted_offset(&image, fault->cluster) + fault->byte,
                              fault->value);
        if (fault->change)
                fault->change(&image);
        assert_int_equal(is_provable(&image, 1, &holds), fault->harmless);
        assert_int_equal(holds, fault->harmless);
        crafted_image_free(&image);
}

static void l1_unaligned(struct crafted_image *image)
{
        image->header.l1_offset += 512;
}

static void l1_behind_the_end(struct crafted_image *image)
{
        image->header.l1_offset = BEHIND;
}

static void l1_in_cluster_zero(struct crafted_image *image)
{
        image->header.l1_offset = 0;
}

static void l1_too_large(struct crafted_image *image)
{
        image->header.l1_size = (32u << 20) / 8 + 1;
}

static void l1_empty(struct crafted_image *image)
{
        image->header.l1_size = 0;
        image->header.l1_offset = 0;
}

static void refcount_table_behind_the_end(struct crafted_image *image)
{
        image->header.refcount_table_clusters = CRAFTED_CLUSTERS;
}

static void refcount_table_unaligned(struct crafted_image *image)
{
        image->header.refcount_table_offset += 8;
}

static void refcount_table_empty(struct crafted_image *image)
{
        image->header.refcount_table_clusters = 0;
}

static void refcount_table_offset_overflows(struct crafted_image *image)
{
        image->header.refcount_table_offset = UINT64_MAX - CLUSTER + 1;
}

static void luks_behind_the_end(struct crafted_image *image)
{
        image->header.crypto_length = BEHIND;
}

static void luks_length_overflows(struct crafted_image *image)
{
        image->header.crypto_length = UINT64_MAX;
}

static void luks_unaligned(struct crafted_image *image)
{
        image->header.crypto_offset += 1;
}

static void luks_empty(struct crafted_image *image)
{
        image->header.crypto_length = 0;
}

static void luks_without_a_pointer(struct crafted_image *image)
{
        image->header.has_crypto = false;
}

static void not_encrypted(struct crafted_image *image)
{
        image->header.has_crypto = false;
        image->header.crypt_method = 0;
}

static void snapshot_table_unaligned(struct crafted_image *image)
{
        memmove(image->bytes + image->first_snapshot + 8,
                image->bytes + image->first_snapshot, 1024);
        image->header.snapshots_offset += 8;
}

static void snapshot_table_behind_the_end(struct crafted_image *image)
{
        image->header.snapshots_offset = BEHIND;
}

static void snapshot_table_offset_overflows(struct crafted_image *image)
{
        image->header.snapshots_offset = UINT64_MAX - 511;
}

static void more_snapshots_than_entries(struct crafted_image *image)
{
        /* what follows reads as empty entries, until the end of the file */
        image->header.snapshot_count = 65536;
}

static void too_many_snapshots(struct crafted_image *image)
{
        image->header.snapshot_count = 65537;
}

/* The table moves to the end of the file, which cuts its last name by a byte. */
static void snapshot_table_cut(struct crafted_image *image)
{
        uint64_t length =
            image->second_snapshot - image->first_snapshot + 40 + 16 + 1 + 120;
        uint64_t to = crafted_offset(image, CRAFTED_CLUSTERS - 1);
        memcpy(image->bytes + to, image->bytes + image->first_snapshot, length);
        image->header.snapshots_offset = to;
        image->size = to + length - 1;
}

static void snapshot_table_ends_with_the_file(struct crafted_image *image)
{
        snapshot_table_cut(image);
        image->size++;
}

static void snapshot_with_a_huge_l1(struct crafted_image *image)
{
        crafted_put32(image, image->second_snapshot + 8, UINT32_MAX);
}

static void snapshot_with_an_unaligned_l1(struct crafted_image *image)
{
        crafted_put64(image, image->second_snapshot, CRAFTED_SNAPSHOT_L1 * CLUSTER + 512);
}

static void snapshot_with_an_l1_behind_the_end(struct crafted_image *image)
{
        crafted_put64(image, image->second_snapshot, BEHIND);
}

static void snapshot_with_huge_extra_data(struct crafted_image *image)
{
        crafted_put32(image, image->first_snapshot + 36, UINT32_MAX);
}

static void snapshot_without_an_l1(struct crafted_image *image)
{
        crafted_put64(image, image->second_snapshot, 0);
        crafted_put32(image, image->second_snapshot + 8, 0);
}

/* The L2 table moves into the last cluster, of which only a byte is there. */
static void l2_in_the_partial_last_cluster(struct crafted_image *image)
{
        crafted_put64(image, crafted_entry(image, CRAFTED_L1, 0),
                      (CRAFTED_CLUSTERS - 1) * CLUSTER);
        image->size = (CRAFTED_CLUSTERS - 1) * CLUSTER + 1;
}

static void last_cluster_not_there(struct crafted_image *image)
{
        l2_in_the_partial_last_cluster(image);
        image->size--;
}

#define PUT(c, b, v) .write = true, .cluster = (c), .byte = (b), .value = (v)

static const struct fault faults[] = {
    {"L1 table unaligned", .change = l1_unaligned},
    {"L1 table behind the end of the file", .change = l1_behind_the_end},
    {"L1 table in cluster 0", .change = l1_in_cluster_zero},
    {"L1 table over 32 MiB", .change = l1_too_large},
    {"L1 table empty is harmless", .change = l1_empty, .harmless = true},
    {"L1 entry unaligned", PUT(CRAFTED_L1, 0, CRAFTED_L2 *CLUSTER + 512)},
    {"L1 entry with a low reserved bit", PUT(CRAFTED_L1, 8, 1)},
    {"L1 entry with bit 8", PUT(CRAFTED_L1, 0, CRAFTED_L2 *CLUSTER | 0x100)},
    {"L1 entry with bit 56", PUT(CRAFTED_L1, 0, 1ull << 56 | CRAFTED_L2 * CLUSTER)},
    {"L1 entry with bit 62", PUT(CRAFTED_L1, 0, 1ull << 62 | CRAFTED_L2 * CLUSTER)},
    {"L1 entry behind the end of the file", PUT(CRAFTED_L1, 16, BEHIND)},
    {"L1 entry at the largest offset", PUT(CRAFTED_L1, 8, 0x00ffffffffff0000)},
    {"L1 entry of COPIED alone is harmless", PUT(CRAFTED_L1, 8, 1ull << 63),
     .harmless = true},
    {"L2 table in the partial last cluster is harmless",
     .change = l2_in_the_partial_last_cluster, .harmless = true},
    {"L2 table right behind the end of the file", .change = last_cluster_not_there},
    {"L2 entry unaligned", PUT(CRAFTED_L2, 0, CRAFTED_DATA *CLUSTER + 512)},
    {"L2 entry unaligned in a snapshot", PUT(CRAFTED_SNAPSHOT_L2, 65528, 512)},
    {"L2 entry with bit 1", PUT(CRAFTED_L2, 1024, 2)},
    {"L2 entry with bit 8", PUT(CRAFTED_L2, 0, CRAFTED_DATA *CLUSTER | 0x100)},
    {"L2 entry with bit 56", PUT(CRAFTED_L2, 24, 1ull << 56)},
    {"L2 entry with bit 61", PUT(CRAFTED_SECOND_L2, 48, 1ull << 61)},
    {"L2 entry that reads as zeros is harmless", PUT(CRAFTED_L2, 8, 1), .harmless = true},
    {"L2 entry behind the end of the file is harmless", PUT(CRAFTED_L2, 8, BEHIND),
     .harmless = true},
    {"L2 entry at the largest offset is harmless",
     PUT(CRAFTED_L2, 8, 0x80ffffffffff0000ull), .harmless = true},
    {"compressed entry at the largest offset is harmless",
     PUT(CRAFTED_L2, 8, 0x7fffffffffffffffull), .harmless = true},
    {"extended L2 entry with the zero flag", PUT(CRAFTED_L2, 16, 1),
     .incompatible = QCOW2_INCOMPATIBLE_EXTENDED_L2},
    {"extended L2 entry's subcluster bitmap of ones is harmless",
     PUT(CRAFTED_L2, 8, UINT64_MAX), .incompatible = QCOW2_INCOMPATIBLE_EXTENDED_L2,
     .harmless = true},
    {"compressed entry with a data file", PUT(CRAFTED_L2, 8, 1ull << 62),
     .incompatible = QCOW2_INCOMPATIBLE_DATA_FILE},
    {"standard entry at an odd offset in a data file is harmless",
     PUT(CRAFTED_L2, 8, 512), .incompatible = QCOW2_INCOMPATIBLE_DATA_FILE,
     .harmless = true},
    {"refcount table behind the end of the file",
     .change = refcount_table_behind_the_end},
    {"refcount table unaligned", .change = refcount_table_unaligned},
    {"refcount table left to the caller", .change = refcount_table_empty,
     .harmless = true},
    {"refcount table's offset overflows", .change = refcount_table_offset_overflows},
    {"refcount block unaligned", PUT(CRAFTED_REFCOUNT_TABLE, 8, 512)},
    {"refcount block's reserved bit", PUT(CRAFTED_REFCOUNT_TABLE, 65528, 1)},
    {"refcount block behind the end of the file", PUT(CRAFTED_REFCOUNT_TABLE, 8, BEHIND)},
    {"refcount block with bit 63",
     PUT(CRAFTED_REFCOUNT_TABLE, 8, 1ull << 63 | CRAFTED_REFCOUNT_BLOCK * CLUSTER)},
    {"LUKS header behind the end of the file", .change = luks_behind_the_end},
    {"LUKS header's length overflows", .change = luks_length_overflows},
    {"LUKS header unaligned", .change = luks_unaligned},
    {"LUKS header empty", .change = luks_empty},
    {"LUKS without a pointer to its header", .change = luks_without_a_pointer},
    {"no encryption is harmless", .change = not_encrypted, .harmless = true},
    {"snapshot table unaligned", .change = snapshot_table_unaligned},
    {"snapshot table behind the end of the file",
     .change = snapshot_table_behind_the_end},
    {"snapshot table's offset overflows", .change = snapshot_table_offset_overflows},
    {"more snapshots than the file has room for", .change = more_snapshots_than_entries},
    {"more snapshots than the format allows", .change = too_many_snapshots},
    {"snapshot table cut by the end of the file", .change = snapshot_table_cut},
    {"snapshot table that ends with the file is harmless",
     .change = snapshot_table_ends_with_the_file, .harmless = true},
    {"snapshot with a huge L1 table", .change = snapshot_with_a_huge_l1},
    {"snapshot with an unaligned L1 table", .change = snapshot_with_an_unaligned_l1},
    {"snapshot with an L1 table behind the end of the file",
     .change = snapshot_with_an_l1_behind_the_end},
    {"snapshot with huge extra data", .change = snapshot_with_huge_extra_data},
    {"snapshot without an L1 table is harmless", .change = snapshot_without_an_l1,
     .harmless = true},
    {"snapshot's L1 entry unaligned",
     PUT(CRAFTED_SNAPSHOT_L1, 8, CRAFTED_SNAPSHOT_L2 *CLUSTER + 512)},
    {"other bitmap's entry unaligned", PUT(CRAFTED_OTHER_TABLE, 8, 512)},
    {"other bitmap's entry with bit 1", PUT(CRAFTED_OTHER_TABLE, 8, 2)},
    {"other bitmap's entry with bit 56", PUT(CRAFTED_OTHER_TABLE, 8, 1ull << 56)},
    {"other bitmap's entry with all ones and an offset",
     PUT(CRAFTED_OTHER_TABLE, 16, CRAFTED_OTHER_DATA *CLUSTER + 1)},
    {"other bitmap's data behind the end of the file is harmless",
     PUT(CRAFTED_OTHER_TABLE, 8, BEHIND), .harmless = true},
};
#define FAULTS (sizeof faults / sizeof faults[0])

static bool table_is_provable(uint64_t offset, uint64_t entries)
{
        struct crafted_image image;
        struct ownership *ownership;
        bool provable;
        crafted_image_make(&image, 16, 0);
        platform_start(image.bytes, image.size, PLATFORM_ARENA);
        assert_int_equal(ownership_begin(&image.header, image.size, &ownership), ABI_OK);
        assert_int_equal(ownership_claim(ownership, 1, 1), ABI_OK);
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        ownership_contest_table(ownership, offset, entries);
        assert_int_equal(ownership_prove(ownership, true, &provable), ABI_OK);
        crafted_image_free(&image);
        return provable;
}

static void other_bitmaps_table_must_lie_in_the_file(void **state)
{
        (void)state;
        assert_true(table_is_provable(CRAFTED_OTHER_TABLE * CLUSTER, 3));
        assert_false(table_is_provable(CRAFTED_OTHER_TABLE * CLUSTER + 8, 3));
        assert_false(table_is_provable(BEHIND, 3));
        assert_false(table_is_provable(0, 3));
        assert_false(table_is_provable(CRAFTED_OTHER_TABLE * CLUSTER, UINT64_MAX / 8));
        assert_false(table_is_provable(CRAFTED_OTHER_TABLE * CLUSTER, BEHIND / 8));
        assert_false(table_is_provable(UINT64_MAX - CLUSTER + 1, CLUSTER / 8));
}

/* A fault that turns up only after the proof takes it back. */
static void later_fault_takes_the_proof_back(void **state)
{
        struct crafted_image image;
        struct ownership *ownership;
        bool provable;
        (void)state;
        crafted_image_make(&image, 16, 0);
        platform_start(image.bytes, image.size, PLATFORM_ARENA);
        assert_int_equal(ownership_begin(&image.header, image.size, &ownership), ABI_OK);
        assert_int_equal(ownership_claim(ownership, 1, 1), ABI_OK);
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        assert_int_equal(ownership_prove(ownership, true, &provable), ABI_OK);
        assert_true(ownership_holds(ownership, 1));
        ownership_contest_table(ownership, BEHIND, 1);
        assert_false(ownership_holds(ownership, 1));
        crafted_image_free(&image);
}

int main(void)
{
        struct CMUnitTest tests[FAULTS + 2] = {
            cmocka_unit_test(other_bitmaps_table_must_lie_in_the_file),
            cmocka_unit_test(later_fault_takes_the_proof_back),
        };
        static struct fault copies[FAULTS]; /* cmocka takes no const state */
        memcpy(copies, faults, sizeof faults);
        for (size_t i = 0; i < FAULTS; i++)
                tests[2 + i] = (struct CMUnitTest){.name = copies[i].name,
                                                   .test_func = fault_is_seen,
                                                   .initial_state = &copies[i]};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
