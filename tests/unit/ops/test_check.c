/* SPDX-License-Identifier: MIT */
/*
 * The checker: nothing is found in a sound image, every refcount that is not right is
 * found with its numbers, and so are faults of bitmaps; with little memory the same in
 * several passes; and nothing is written (invariant 10).
 */
#include <stdlib.h>
#include <string.h>

#include "guest/abi_check.h"
#include "guest/ops/check.h"
#include "guest/qcow2/format.h"
#include "tests/unit/ops/ops.h"

#define MAX_FINDINGS 1000u
#define MAX_DAMAGE   16u

#define MUCH   (256ull << 20)
#define LITTLE (4ull << 20) /* the least that the command line takes */
#define NONE   (ABI_ARENA_BASE + (512ull << 10)) /* the walks alone take more */

/* What the host is told. */
struct found {
        struct abi_finding findings[MAX_FINDINGS];
        uint32_t finding_count;
        struct abi_report_damage damage[MAX_DAMAGE];
        char names[MAX_DAMAGE][1100];
        uint32_t damage_count;
        struct abi_report_check sums;
        uint64_t reports;
        bool ended; /* the sums have come */
};

static struct found found;
static struct ops ops;

static void take_findings(const void *bytes, uint64_t length)
{
        uint64_t count = length / sizeof *found.findings;
        assert_int_equal(length, count * sizeof *found.findings);
        assert_true(found.finding_count + count <= MAX_FINDINGS);
        memcpy(found.findings + found.finding_count, bytes, length);
        found.finding_count += (uint32_t)count;
}

static void take_damage(const void *bytes, uint64_t length)
{
        struct abi_report_damage *report = &found.damage[found.damage_count];
        assert_true(found.damage_count < MAX_DAMAGE && length >= sizeof *report);
        memcpy(report, bytes, sizeof *report);
        assert_int_equal(length, sizeof *report + report->name_length);
        memcpy(found.names[found.damage_count++], (const char *)bytes + sizeof *report,
               report->name_length);
}

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        assert_false(found.ended);
        assert_int_equal(kind == ABI_REPORT_IMAGE, found.reports == 0);
        found.reports++;
        switch (kind) {
        case ABI_REPORT_IMAGE:
        case ABI_REPORT_PROGRESS:
                break;
        case ABI_REPORT_FINDINGS:
                take_findings(bytes, length);
                break;
        case ABI_REPORT_DAMAGE:
                take_damage(bytes, length);
                break;
        case ABI_REPORT_CHECK:
                assert_int_equal(length, sizeof found.sums);
                memcpy(&found.sums, bytes, length);
                found.ended = true;
                break;
        default:
                fail_msg("report of kind %u", (unsigned int)kind);
        }
}

static int set_up(void **state)
{
        (void)state;
        ops_open(&ops);
        native_host_set_sink(ops.host, take, NULL);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        ops_close(&ops);
        return 0;
}

static enum native_status run(void)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        call.flags = ABI_CALL_PROGRESS;
        memset(&found, 0, sizeof found);
        assert_true(native_image_copy(&ops.before, ops.image));
        ops.outcome = native_run(ops.host, check_main, &call);
        if (ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops.outcome.rule);
        assert_true(native_image_equal(ops.image, &ops.before));
        return ops.outcome.status;
}

static void check(void)
{
        assert_int_equal(run(), NATIVE_OK);
        assert_int_equal(ops.outcome.result.code, ABI_OK);
        assert_true(found.ended);
        assert_int_equal(found.sums.incomplete, 0);
        assert_int_equal(found.sums.corruptions + found.sums.leaks +
                             found.sums.check_errors,
                         found.finding_count);
        assert_int_equal(found.sums.bitmap_faults, found.damage_count);
}

static const struct made_options rich = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .data_clusters = 9,
    .snapshots = 3,
    .free_clusters = 3,
    .bitmap_count = 4,
    .bitmaps =
        {{.name = "empty", .granularity_bits = 9},
         {.name = "ones", .granularity_bits = 9, .fill = MADE_ONES, .flags = 2},
         {.name = "data", .granularity_bits = 10, .fill = MADE_DATA},
         {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 3}},
};

/* Its clusters are more than the counters that fit into little memory, several times. */
static const struct made_options long_file = {
    .cluster_bits = 9,
    .virtual_size = 16ull << 20,
    .data_clusters = 3000,
    .free_clusters = 1500000,
    .snapshots = 1,
    .bitmap_count = 2,
    .bitmaps = {{.name = "data", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE}},
};

/* ---- sound images ------------------------------------------------------------------ */

static void expect_sound(const struct made_options *options)
{
        uint64_t cluster = 1ull << (options->cluster_bits ? options->cluster_bits : 16);
        ops_make(&ops, options);
        check();
        assert_int_equal(found.finding_count, 0);
        assert_int_equal(found.damage_count, 0);
        assert_int_equal(found.sums.passes, 1);
        assert_int_equal(found.sums.allocated_clusters, options->data_clusters);
        assert_int_equal(found.sums.compressed_clusters, 0);
        assert_int_equal(found.sums.total_clusters,
                         (ops.read.virtual_size + cluster - 1) / cluster);
        if (!options->free_clusters)
                assert_int_equal(found.sums.image_end,
                                 (ops.image->size + cluster - 1) / cluster * cluster);
}

static void nothing_is_found_in_sound_images(void **state)
{
        static const uint32_t cluster_bits[] = {9, 12, 16, 21};
        struct made_options options = rich;
        (void)state;
        for (size_t i = 0; i < sizeof cluster_bits / sizeof cluster_bits[0]; i++) {
                options.cluster_bits = cluster_bits[i];
                options.free_clusters = 3;
                expect_sound(&options);
                options.free_clusters = 0;
                expect_sound(&options);
        }
        options.stale = true;
        ops_make(&ops, &options);
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
                ops_make(&ops, &rich);
                if (c->bytes == 8)
                        poke64(ops.image, c->offset, c->value);
                else
                        poke32(ops.image, c->offset, (uint32_t)c->value);
                assert_int_equal(run(), NATIVE_OK);
                assert_int_equal(ops.outcome.result.code, ABI_OK);
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
        ops_make(&ops, &rich);
        uint64_t place = ops.places.bitmaps_record;
        uint64_t name = peek64(ops.image, 8);
        native_image_read(ops.image, place, record, sizeof record);
        native_image_write(ops.image, place + 32, record, sizeof record);
        poke64(ops.image, 8, name + 512);
        assert_int_equal(run(), NATIVE_OK);
        assert_int_equal(found.sums.incomplete, 0);
        assert_int_equal(found.damage_count, 1);
        assert_int_equal(found.damage[0].code, ABI_BAD_EXTENSION);
        assert_int_equal(found.damage[0].detail[0], place + 32);
        assert_int_equal(found.damage[0].detail[2], ABI_EXTENSION_DUPLICATE);
        assert_int_equal(found.finding_count, 0);
        poke32(ops.image, place + 32 + 8, 1); /* more entries than it announces */
        assert_int_equal(run(), NATIVE_OK);
        assert_int_equal(found.sums.incomplete, 1);
        assert_int_equal(found.damage[1].detail[2], ABI_DIRECTORY_COUNT);
}

static void a_format_that_is_too_long_is_the_end(void **state)
{
        struct made_options options = rich;
        (void)state;
        options.record_before = 16;
        ops_make(&ops, &options);
        check();
        poke32(ops.image, 112, QCOW2_EXTENSION_BACKING_FORMAT);
        assert_int_equal(run(), NATIVE_OK);
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
        poke_refcount(ops.image, cluster, is);
        check();
        const struct abi_finding *f = finding_of(kind, cluster);
        assert_int_equal(f->detail[1], is);
        assert_int_equal(f->detail[2], should_be);
        assert_int_equal(found.sums.leaks, kind == ABI_FINDING_LEAK);
        poke_refcount(ops.image, cluster, should_be);
}

static void a_refcount_that_is_not_right_is_found(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        for (uint64_t cluster = 0; cluster < ops.image->size >> rich.cluster_bits;
             cluster++) {
                uint16_t right = peek_refcount(ops.image, cluster);
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
        struct made_options options = rich;
        (void)state;
        options.bitmaps[2].dirty_tail = true;
        options.bitmaps[1].flags |= 1;
        ops_make(&ops, &options);
        check();
        assert_int_equal(found.damage_count, 2);
        assert_int_equal(found.finding_count, 0);
        expect_fault(0, "ones", ABI_BITMAP_IN_USE, ops.places.entries[1]);
        expect_fault(1, "data", ABI_BITMAP_TAIL_BITS,
                     peek64(ops.image, ops.places.tables[2]));
}

static void a_cluster_of_two_is_told_of_both(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        uint64_t shared = peek64(ops.image, ops.places.tables[2]);
        poke64(ops.image, ops.places.tables[0], shared);
        check();
        assert_int_equal(found.damage_count, 2);
        expect_fault(0, "empty", ABI_BITMAP_OVERLAP, shared);
        expect_fault(1, "data", ABI_BITMAP_OVERLAP, shared);
        finding_of(ABI_FINDING_REFCOUNT_TOO_LOW, shared >> rich.cluster_bits);
}

static void data_behind_the_end_of_the_file_is_told(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        poke64(ops.image, ops.places.tables[0], 1ull << 40);
        check();
        assert_int_equal(found.damage_count, 1);
        expect_fault(0, "empty", ABI_BITMAP_BEYOND_END, ops.places.tables[0]);
        assert_int_equal(found.finding_count, 1);
        assert_int_equal(found.findings[0].kind, ABI_FINDING_BEYOND_END);
        assert_int_equal(found.findings[0].detail[0], 1ull << 40);
        assert_int_equal(found.findings[0].detail[1], 1 << rich.cluster_bits);
}

/* ---- little memory ----------------------------------------------------------------- */

static int compare_findings(const void *left, const void *right)
{
        return memcmp(left, right, sizeof(struct abi_finding));
}

/* Passes find clusters in another order than one pass finds kinds. */
static struct found sorted_check(uint64_t memory)
{
        native_host_set_memory_limit(ops.host, memory);
        check();
        qsort(found.findings, found.finding_count, sizeof *found.findings,
              compare_findings);
        return found;
}

/* Everywhere in the file, some of it where one pass ends and the next begins. */
static void damage_all_over(void)
{
        uint64_t clusters = ops.image->size >> long_file.cluster_bits;
        for (uint64_t cluster = 0; cluster < clusters; cluster += 5003)
                poke_refcount(ops.image, cluster, 7);
        for (uint64_t cluster = 256; cluster < clusters; cluster += 50 * 256) {
                poke_refcount(ops.image, cluster - 1, 3);
                poke_refcount(ops.image, cluster, 2);
        }
        poke_refcount(ops.image, clusters - 1, 0);
        /* Shared with the first pass's clusters and with the last one's: told once. */
        poke64(ops.image, ops.places.tables[0], ops.places.first_data);
        poke64(ops.image, ops.places.tables[0] + 8,
               (clusters - 1) << long_file.cluster_bits);
        poke64(ops.image, ops.places.tables[0] + 16, 1ull << 41);
}

static void several_passes_find_what_one_finds(void **state)
{
        static struct found one;
        static struct found several;
        (void)state;
        ops_make(&ops, &long_file);
        damage_all_over();
        one = sorted_check(MUCH);
        several = sorted_check(LITTLE);
        assert_int_equal(one.sums.passes, 1);
        assert_true(several.sums.passes > 2);
        assert_true(one.finding_count > 200);
        assert_int_equal(several.finding_count, one.finding_count);
        assert_memory_equal(several.findings, one.findings,
                            one.finding_count * sizeof *one.findings);
        assert_int_equal(several.damage_count, one.damage_count);
        several.sums.passes = one.sums.passes;
        assert_memory_equal(&several.sums, &one.sums, sizeof one.sums);
}

static void a_sound_image_is_sound_in_several_passes(void **state)
{
        (void)state;
        ops_make(&ops, &long_file);
        native_host_set_memory_limit(ops.host, LITTLE);
        check();
        assert_true(found.sums.passes > 2);
        assert_int_equal(found.finding_count, 0);
        assert_int_equal(found.damage_count, 0);
        assert_int_equal(found.sums.allocated_clusters, long_file.data_clusters);
}

static void memory_for_nothing_is_an_error(void **state)
{
        (void)state;
        ops_make(&ops, &long_file);
        native_host_set_memory_limit(ops.host, NONE);
        assert_int_equal(run(), NATIVE_OK);
        assert_int_equal(ops.outcome.result.code, ABI_TOO_LARGE);
        assert_false(found.ended);
}

/* ---- reads that fail --------------------------------------------------------------- */

static void a_read_that_fails_ends_the_check(void **state)
{
        uint64_t nth = 1;
        (void)state;
        ops_make(&ops, &rich);
        for (;; nth++) {
                native_host_fail_read(ops.host, nth);
                if (run() == NATIVE_OK)
                        break;
                assert_int_equal(ops.outcome.status, NATIVE_READ_ERROR);
                assert_false(found.ended);
        }
        assert_true(nth > 8);
        assert_true(found.ended);
        assert_int_equal(found.finding_count, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(nothing_is_found_in_sound_images, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(
                faults_of_the_header_are_told_and_qemus_are_the_end, set_up, tear_down),
            cmocka_unit_test_setup_teardown(the_last_of_two_lists_counts, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(a_format_that_is_too_long_is_the_end, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(a_refcount_that_is_not_right_is_found, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(faults_of_bitmaps_are_told_by_name, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(a_cluster_of_two_is_told_of_both, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(data_behind_the_end_of_the_file_is_told,
                                            set_up, tear_down),
            cmocka_unit_test_setup_teardown(several_passes_find_what_one_finds, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(a_sound_image_is_sound_in_several_passes,
                                            set_up, tear_down),
            cmocka_unit_test_setup_teardown(memory_for_nothing_is_an_error, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(a_read_that_fails_ends_the_check, set_up,
                                            tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
