/* SPDX-License-Identifier: MIT */
/*
 * The checker: nothing is found in a sound image, every refcount that is not right is
 * found with its numbers, and so are faults of bitmaps.
 */
#include <string.h>

#include "guest/qcow2/format.h"
#include "tests/unit/ops/checked.h"

/* ---- sound images ------------------------------------------------------------------ */

static void expect_sound(const struct made_options *options)
{
        uint64_t cluster = 1ull << (options->cluster_bits ? options->cluster_bits : 16);
        ops_make(&checked_ops, options);
        check();
        assert_int_equal(found.finding_count, 0);
        assert_int_equal(found.damage_count, 0);
        assert_int_equal(found.sums.passes, 1);
        assert_int_equal(found.sums.allocated_clusters, options->data_clusters);
        assert_int_equal(found.sums.compressed_clusters, 0);
        assert_int_equal(found.sums.total_clusters,
                         (checked_ops.read.virtual_size + cluster - 1) / cluster);
        if (!options->free_clusters)
                assert_int_equal(found.sums.image_end,
                                 (checked_ops.image->size + cluster - 1) / cluster *
                                     cluster);
}

static void nothing_is_found_in_sound_images(void **state)
{
        static const uint32_t cluster_bits[] = {9, 12, 16, 21};
        struct made_options options = checked_rich;
        (void)state;
        for (size_t i = 0; i < sizeof cluster_bits / sizeof cluster_bits[0]; i++) {
                options.cluster_bits = cluster_bits[i];
                options.free_clusters = 3;
                expect_sound(&options);
                options.free_clusters = 0;
                expect_sound(&options);
        }
        options.stale = true;
        ops_make(&checked_ops, &options);
        check();
        assert_int_equal(found.sums.corruptions, 0);
        assert_int_equal(found.damage_count, 0);
}

/* ---- headers ----------------------------------------------------------------------- */

struct header_case {
        uint32_t offset, bytes;
        uint64_t value;
        enum abi_header_fault fault;
        bool opens; /* QEMU's check goes on */
};

/* Of an image with clusters of 4 KiB. */
static const struct header_case header_cases[] = {
    {8, 8, 8, ABI_HEADER_BACKING, true},
    {8, 8, 4097, ABI_HEADER_BACKING, false},
    {16, 4, 1024, ABI_HEADER_BACKING, false},
    {24, 8, 1ull << 63, ABI_HEADER_SIZE, false},
    {32, 4, 2, ABI_HEADER_NO_LUKS, false},
    {32, 4, 3, ABI_HEADER_ENCRYPTION, false},
    {36, 4, 0, ABI_HEADER_L1, false},
    {40, 8, 0, ABI_HEADER_L1, true},
    {40, 8, 1ull << 40, ABI_HEADER_L1, true},
    {40, 8, 8, ABI_HEADER_L1, false},
    {40, 8, QCOW2_MAX_OFFSET, ABI_HEADER_L1, false},
    {40, 8, QCOW2_MAX_OFFSET - 4096, ABI_HEADER_L1, true},
    {48, 8, 1ull << 40, ABI_HEADER_REFTABLE, true},
    {48, 8, 512, ABI_HEADER_REFTABLE, false},
    {48, 8, QCOW2_MAX_OFFSET, ABI_HEADER_REFTABLE, false},
    {56, 4, 0, ABI_HEADER_REFTABLE, true},
    {56, 4, 2049, ABI_HEADER_REFTABLE, false},
    {60, 4, 65537, ABI_HEADER_SNAPSHOTS, false},
    {64, 8, 1ull << 40, ABI_HEADER_SNAPSHOTS, true},
    {64, 8, 8, ABI_HEADER_SNAPSHOTS, false},
    {72, 8, 8, ABI_HEADER_COMPRESSION, false},
    {72, 8, 16, ABI_HEADER_SUBCLUSTERS, false},
    {88, 8, 3, ABI_HEADER_RAW_DATA, false},
    {96, 4, 7, ABI_HEADER_REFCOUNT_ORDER, false},
    {100, 4, 96, ABI_HEADER_LENGTH, false},
    {100, 4, 105, ABI_HEADER_LENGTH, true},
    {100, 4, 4104, ABI_HEADER_LENGTH, false},
    {104, 4, 1u << 24, ABI_HEADER_COMPRESSION, false},
};

static void faults_of_the_header_are_told_and_qemus_are_the_end(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof header_cases / sizeof header_cases[0]; i++) {
                const struct header_case *c = &header_cases[i];
                ops_make(&checked_ops, &checked_rich);
                if (c->bytes == 8)
                        poke64(checked_ops.image, c->offset, c->value);
                else
                        poke32(checked_ops.image, c->offset, (uint32_t)c->value);
                assert_int_equal(checked_run(), NATIVE_OK);
                assert_int_equal(checked_ops.outcome.result.code, ABI_OK);
                assert_true(found.ended && found.damage_count);
                assert_int_equal(found.damage[0].code, ABI_BAD_HEADER);
                if (found.damage[0].detail[0] != c->fault ||
                    found.sums.incomplete == c->opens)
                        fail_msg("case %zu: fault %d", i, (int)found.damage[0].detail[0]);
        }
}

/* The last of two lists counts, as in QEMU: the other one's clusters are leaked. */
static void the_last_of_two_lists_counts(void **state)
{
        uint8_t record[32];
        (void)state;
        ops_make(&checked_ops, &checked_rich);
        uint64_t place = checked_ops.places.bitmaps_record;
        uint64_t name = peek64(checked_ops.image, 8);
        native_image_read(checked_ops.image, place, record, sizeof record);
        native_image_write(checked_ops.image, place + 32, record, sizeof record);
        poke64(checked_ops.image, 8, name + 512);
        assert_int_equal(checked_run(), NATIVE_OK);
        assert_int_equal(found.sums.incomplete, 0);
        assert_int_equal(found.damage_count, 1);
        assert_int_equal(found.damage[0].code, ABI_BAD_EXTENSION);
        assert_int_equal(found.damage[0].detail[0], place + 32);
        assert_int_equal(found.damage[0].detail[2], ABI_EXTENSION_DUPLICATE);
        assert_int_equal(found.finding_count, 0);
        poke32(checked_ops.image, place + 32 + 8, 1); /* more entries than it announces */
        assert_int_equal(checked_run(), NATIVE_OK);
        assert_int_equal(found.sums.incomplete, 1);
        assert_int_equal(found.damage[1].detail[2], ABI_DIRECTORY_COUNT);
}

static void a_format_that_is_too_long_is_the_end(void **state)
{
        struct made_options options = checked_rich;
        (void)state;
        options.record_before = 16;
        ops_make(&checked_ops, &options);
        check();
        poke32(checked_ops.image, 112, QCOW2_EXTENSION_BACKING_FORMAT);
        assert_int_equal(checked_run(), NATIVE_OK);
        assert_int_equal(found.sums.incomplete, 1);
        assert_int_equal(found.damage[0].detail[2], ABI_EXTENSION_TOO_LONG);
}

/* ---- refcounts --------------------------------------------------------------------- */

/* What is told of the cluster; the COPIED flags that the refcount belies come beside. */
static const struct abi_finding *finding_of(uint32_t kind, uint64_t cluster)
{
        const struct abi_finding *only = NULL;
        for (uint32_t i = 0; i < found.finding_count; i++) {
                const struct abi_finding *f = &found.findings[i];
                if (f->kind == ABI_FINDING_COPIED_L2 ||
                    f->kind == ABI_FINDING_COPIED_DATA)
                        continue;
                assert_null(only);
                only = f;
        }
        assert_non_null(only);
        assert_int_equal(only->kind, kind);
        assert_int_equal(only->detail[0], cluster);
        return only;
}

static void expect_refcount(uint64_t cluster, uint16_t is, uint16_t should_be)
{
        uint32_t kind = is > should_be ? ABI_FINDING_LEAK : ABI_FINDING_REFCOUNT_TOO_LOW;
        poke_refcount(checked_ops.image, cluster, is);
        check();
        const struct abi_finding *f = finding_of(kind, cluster);
        assert_int_equal(f->detail[1], is);
        assert_int_equal(f->detail[2], should_be);
        assert_int_equal(found.sums.leaks, kind == ABI_FINDING_LEAK);
        poke_refcount(checked_ops.image, cluster, should_be);
}

static void a_refcount_that_is_not_right_is_found(void **state)
{
        (void)state;
        ops_make(&checked_ops, &checked_rich);
        for (uint64_t cluster = 0;
             cluster < checked_ops.image->size >> checked_rich.cluster_bits; cluster++) {
                uint16_t right = peek_refcount(checked_ops.image, cluster);
                expect_refcount(cluster, right + 1, right);
                expect_refcount(cluster, 0xffff, right);
                if (right)
                        expect_refcount(cluster, right - 1, right);
        }
        check();
        assert_int_equal(found.finding_count, 0);
}

/* ---- bitmaps ----------------------------------------------------------------------- */

static void expect_fault(uint32_t index, const char *name, enum abi_bitmap_fault fault,
                         uint64_t offset)
{
        assert_true(index < found.damage_count);
        assert_int_equal(found.damage[index].code, ABI_BAD_BITMAP);
        assert_string_equal(found.names[index], name);
        assert_int_equal(found.damage[index].detail[2], fault);
        assert_int_equal(found.damage[index].detail[0], offset);
}

static void faults_of_bitmaps_are_told_by_name(void **state)
{
        struct made_options options = checked_rich;
        (void)state;
        options.bitmaps[2].dirty_tail = true;
        options.bitmaps[1].flags |= 1;
        ops_make(&checked_ops, &options);
        check();
        assert_int_equal(found.damage_count, 2);
        assert_int_equal(found.finding_count, 0);
        expect_fault(0, "ones", ABI_BITMAP_IN_USE, checked_ops.places.entries[1]);
        expect_fault(1, "data", ABI_BITMAP_TAIL_BITS,
                     peek64(checked_ops.image, checked_ops.places.tables[2]));
}

static void a_cluster_of_two_is_told_of_both(void **state)
{
        (void)state;
        ops_make(&checked_ops, &checked_rich);
        uint64_t shared = peek64(checked_ops.image, checked_ops.places.tables[2]);
        poke64(checked_ops.image, checked_ops.places.tables[0], shared);
        check();
        assert_int_equal(found.damage_count, 2);
        expect_fault(0, "empty", ABI_BITMAP_OVERLAP, shared);
        expect_fault(1, "data", ABI_BITMAP_OVERLAP, shared);
        finding_of(ABI_FINDING_REFCOUNT_TOO_LOW, shared >> checked_rich.cluster_bits);
}

static void data_behind_the_end_of_the_file_is_told(void **state)
{
        (void)state;
        ops_make(&checked_ops, &checked_rich);
        poke64(checked_ops.image, checked_ops.places.tables[0], 1ull << 40);
        check();
        assert_int_equal(found.damage_count, 1);
        expect_fault(0, "empty", ABI_BITMAP_BEYOND_END, checked_ops.places.tables[0]);
        assert_int_equal(found.finding_count, 1);
        assert_int_equal(found.findings[0].kind, ABI_FINDING_BEYOND_END);
        assert_int_equal(found.findings[0].detail[0], 1ull << 40);
        assert_int_equal(found.findings[0].detail[1], 1 << checked_rich.cluster_bits);
}

/* ---- reads that fail --------------------------------------------------------------- */

static void a_read_that_fails_ends_the_check(void **state)
{
        uint64_t nth = 1;
        (void)state;
        ops_make(&checked_ops, &checked_rich);
        for (;; nth++) {
                native_host_fail_read(checked_ops.host, nth);
                if (checked_run() == NATIVE_OK)
                        break;
                assert_int_equal(checked_ops.outcome.status, NATIVE_READ_ERROR);
                assert_false(found.ended);
        }
        assert_true(nth > 8);
        assert_true(found.ended);
        assert_int_equal(found.finding_count, 0);
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, checked_set_up, checked_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(nothing_is_found_in_sound_images),
            TEST(faults_of_the_header_are_told_and_qemus_are_the_end),
            TEST(the_last_of_two_lists_counts),
            TEST(a_format_that_is_too_long_is_the_end),
            TEST(a_refcount_that_is_not_right_is_found),
            TEST(faults_of_bitmaps_are_told_by_name),
            TEST(a_cluster_of_two_is_told_of_both),
            TEST(data_behind_the_end_of_the_file_is_told),
            TEST(a_read_that_fails_ends_the_check),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
