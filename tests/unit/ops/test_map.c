/* SPDX-License-Identifier: MIT */
/*
 * The dirty extents of a bitmap: exactly the bits that an independent reader sees, in
 * order, neighbours together, whatever the clusters; and nothing of a bitmap whose bits
 * mean nothing (invariant 10: nothing is written).
 */
#include <stdlib.h>
#include <string.h>

#include "guest/ops/map.h"
#include "tests/unit/ops/ops.h"

#define MIB (1ull << 20)

/* What the host is told. */
static struct abi_range *extents;
static uint64_t extent_count;
static uint64_t extents_room; /* grows by half: under ASan each realloc() is a copy */
static uint64_t reports;
static struct abi_report_picture picture;
static uint64_t columns[ABI_MAX_COLUMNS];
static bool has_picture;

static struct ops ops;

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        reports++;
        if (kind == ABI_REPORT_PICTURE) {
                assert_false(has_picture || extent_count);
                has_picture = true;
                memcpy(&picture, bytes, sizeof picture);
                assert_int_equal(length, sizeof picture + picture.columns * 8ull);
                memcpy(columns, (const uint8_t *)bytes + sizeof picture,
                       picture.columns * 8ull);
                return;
        }
        assert_int_equal(kind, ABI_REPORT_EXTENTS);
        uint64_t more = length / sizeof *extents;
        assert_int_equal(length, more * sizeof *extents);
        if (extent_count + more > extents_room) {
                extents_room = (extent_count + more) * 3 / 2;
                extents = realloc(extents, extents_room * sizeof *extents);
                assert_non_null(extents);
        }
        memcpy(extents + extent_count, bytes, length);
        extent_count += more;
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
        free(extents);
        extents = NULL;
        extents_room = 0;
        return 0;
}

static enum abi_code map(const char *name, uint32_t column_count)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        call.target_length = (uint32_t)strlen(name);
        memcpy(call.target, name, call.target_length);
        call.columns = column_count;
        extent_count = 0;
        reports = 0;
        has_picture = false;
        assert_true(native_image_copy(&ops.before, ops.image));
        ops.outcome = native_run(ops.host, map_main, &call);
        if (ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops.outcome.rule);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        assert_true(native_image_equal(ops.image, &ops.before));
        return (enum abi_code)ops.outcome.result.code;
}

/* ---- against the reader -------------------------------------------------------------
 */

/* Every byte of the disk whose bit is set lies in an extent, no other does, and between
 * two extents something is clean. */
static void expect_the_readers_bits(const char *name)
{
        const struct read_bitmap *b = ops_bitmap(&ops, name);
        uint64_t granule = 1ull << b->granularity_bits;
        uint64_t size = ops.read.virtual_size;
        uint64_t bits = size / granule + (size % granule != 0);
        uint64_t found = 0;
        for (uint64_t bit = 0; bit < bits; bit++) {
                if (!read_bit(b, bit))
                        continue;
                uint64_t start = bit * granule;
                while (bit + 1 < bits && read_bit(b, bit + 1))
                        bit++;
                uint64_t end = (bit + 1) * granule < size ? (bit + 1) * granule : size;
                assert_true(found < extent_count);
                assert_int_equal(extents[found].offset, start);
                assert_int_equal(extents[found].length, end - start);
                found++;
        }
        assert_int_equal(found, extent_count);
}

static void expect_picture(uint32_t column_count)
{
        uint64_t dirty = 0;
        assert_true(has_picture);
        assert_int_equal(picture.columns, column_count);
        assert_int_equal(picture.size, ops.read.virtual_size);
        for (uint32_t i = 0; i < column_count; i++) {
                uint64_t from = i * picture.column_bytes;
                uint64_t to = from + picture.column_bytes;
                uint64_t expected = 0;
                for (uint64_t n = 0; n < extent_count; n++) {
                        uint64_t start = extents[n].offset;
                        uint64_t end = start + extents[n].length;
                        start = start > from ? start : from;
                        end = end < to ? end : to;
                        expected += start < end ? end - start : 0;
                }
                assert_int_equal(columns[i], expected);
                dirty += columns[i];
        }
        assert_int_equal(picture.dirty, dirty);
}

static const uint64_t sizes[] = {512, 64 * MIB, 5 * MIB + 512, 3 * MIB + 4096 + 512};

static void all_fills_map_as_the_reader_sees_them(void **state)
{
        static const uint32_t clusters[] = {9, 12, 21};
        static const uint32_t granularities[] = {9, 12, 16, 20};
        (void)state;
        for (size_t i = 0; i < 3 * 4 * 4; i++) {
                uint32_t cluster_bits = clusters[i % 3];
                uint32_t granularity = granularities[i / 3 % 4];
                struct made_options options = {
                    .cluster_bits = cluster_bits,
                    .virtual_size = sizes[i / 12],
                    .bitmap_count = 4,
                    .bitmaps = {{.name = "empty", .fill = MADE_EMPTY},
                                {.name = "ones", .fill = MADE_ONES, .flags = 2},
                                {.name = "data", .fill = MADE_DATA, .dirty_tail = true},
                                {.name = "sparse", .fill = MADE_SPARSE, .seed = 7}},
                };
                for (int n = 0; n < 4; n++)
                        options.bitmaps[n].granularity_bits = granularity;
                ops_make(&ops, &options);
                for (int n = 0; n < 4; n++) {
                        assert_int_equal(map(options.bitmaps[n].name, 0), ABI_OK);
                        assert_false(has_picture);
                        expect_the_readers_bits(options.bitmaps[n].name);
                }
                assert_int_equal(map("sparse", 37), ABI_OK);
                expect_picture(37);
        }
}

static void an_empty_bitmap_makes_no_report(void **state)
{
        const struct made_options options = {.bitmap_count = 1,
                                             .bitmaps = {{.name = "b"}}};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(map("b", 0), ABI_OK);
        assert_int_equal(reports, 0);
}

static void a_full_bitmap_is_one_extent(void **state)
{
        const struct made_options options = {
            .cluster_bits = 9,
            .virtual_size = 40 * MIB + 512,
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .fill = MADE_ONES, .granularity_bits = 12}}};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(map("b", 1), ABI_OK);
        assert_int_equal(extent_count, 1);
        assert_int_equal(extents[0].offset, 0);
        assert_int_equal(extents[0].length, 40 * MIB + 512);
        assert_int_equal(columns[0], 40 * MIB + 512);
}

/* More than one report, more than the buffer of all reports, and data clusters that are
 * larger than what is read at once. */
static void a_million_extents_arrive_in_many_reports(void **state)
{
        (void)state;
        for (uint32_t cluster_bits = 9; cluster_bits <= 21; cluster_bits += 6) {
                const struct made_options options = {
                    .cluster_bits = cluster_bits,
                    .virtual_size = (1ull << 32) - 512,
                    .bitmap_count = 1,
                    .bitmaps = {{.name = "b", .fill = MADE_DATA, .granularity_bits = 9}}};
                ops_make(&ops, &options);
                assert_int_equal(map("b", ABI_MAX_COLUMNS), ABI_OK);
                assert_true(extent_count > 1000000);
                assert_true(reports > 200);
                expect_the_readers_bits("b");
        }
}

static void memory_does_not_grow_with_the_bitmap(void **state)
{
        struct made_options options = {
            .virtual_size = 1ull << 32,
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .fill = MADE_DATA, .granularity_bits = 9}}};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(map("b", 0), ABI_OK);
        uint64_t large = native_host_arena_used(ops.host);
        options.virtual_size = 1ull << 36;
        options.bitmaps[0].fill = MADE_SPARSE;
        ops_make(&ops, &options);
        assert_int_equal(map("b", 0), ABI_OK);
        assert_true(native_host_arena_used(ops.host) <= large + (256u << 10));
        assert_true(large < 1 * MIB);
}

/* ---- what is refused ----------------------------------------------------------------
 */

static const struct made_options three = {
    .bitmap_count = 3,
    .bitmaps = {{.name = "good", .fill = MADE_DATA},
                {.name = "running", .fill = MADE_DATA, .flags = 3},
                {.name = "extra", .fill = MADE_DATA, .extra_length = 8}}};

static void bitmaps_whose_bits_mean_nothing_are_refused(void **state)
{
        struct made_options stale = three;
        (void)state;
        ops_make(&ops, &three);
        assert_int_equal(map("running", 80), ABI_IN_USE);
        assert_int_equal(map("extra", 80), ABI_IN_USE);
        assert_int_equal(map("absent", 80), ABI_NOT_FOUND);
        assert_int_equal(map("", 80), ABI_NAME_TOO_LONG);
        assert_int_equal(reports, 0);
        stale.stale = true;
        ops_make(&ops, &stale);
        assert_int_equal(map("good", 80), ABI_IN_USE);
        assert_int_equal(reports, 0);
}

static void a_damaged_table_is_told_before_any_extent(void **state)
{
        static const uint64_t entries[] = {3, 0x10001, 0x80, 1ull << 56, 1ull << 50};
        const struct made_options options = {
            .cluster_bits = 9,
            .virtual_size = 4 * MIB,
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .fill = MADE_DATA, .granularity_bits = 9}}};
        (void)state;
        for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
                ops_make(&ops, &options);
                uint64_t last = ops_bitmap(&ops, "b")->table_entries - 1;
                poke64(ops.image, ops.places.tables[0] + last * 8, entries[i]);
                assert_int_equal(map("b", 80), ABI_BAD_TABLE);
                assert_int_equal(ops.outcome.result.detail[1], last);
                assert_int_equal(ops.outcome.result.detail[2], entries[i]);
                assert_int_equal(reports, 0);
        }
}

/* Which edits refuse. */
static void states_that_only_forbid_writing_are_mapped(void **state)
{
        (void)state;
        for (uint64_t bit = 1; bit <= 2; bit++) { /* dirty, corrupt */
                ops_make(&ops, &three);
                poke64(ops.image, 72, bit);
                assert_int_equal(map("good", 0), ABI_OK);
                expect_the_readers_bits("good");
        }
        ops_make(&ops, &three);
        poke32(ops.image, 96, 0); /* refcounts of one bit */
        assert_int_equal(map("good", 0), ABI_OK);
        poke64(ops.image, 72, 32);
        assert_int_equal(map("good", 0), ABI_UNKNOWN_INCOMPATIBLE);
}

static uint64_t change_at;

static void change_table(void *context, struct native_image *image, uint64_t doorbell)
{
        (void)context;
        if (doorbell == change_at)
                poke64(image, ops.places.tables[0], 3);
}

static void a_table_that_changes_meanwhile_is_told(void **state)
{
        const struct made_options options = {
            .cluster_bits = 9, /* more entries than are held at once */
            .virtual_size = 1ull << 34,
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .fill = MADE_ONES, .granularity_bits = 9}}};
        bool told = false;
        (void)state;
        native_host_set_hook(ops.host, change_table, NULL);
        for (change_at = 1; change_at < 8; change_at++) {
                struct abi_call call = {.target_length = 1, .target = "b"};
                ops_make(&ops, &options);
                ops.outcome = native_run(ops.host, map_main, &call);
                assert_int_equal(ops.outcome.status, NATIVE_OK);
                told |= ops.outcome.result.code == ABI_HEADER_CHANGED;
        }
        native_host_set_hook(ops.host, NULL, NULL);
        assert_true(told);
}

static void a_picture_wider_than_any_is_refused(void **state)
{
        (void)state;
        ops_make(&ops, &three);
        assert_int_equal(map("good", ABI_MAX_COLUMNS + 1), ABI_OVERFLOW);
        assert_int_equal(map("good", UINT32_MAX), ABI_OVERFLOW);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(all_fills_map_as_the_reader_sees_them),
            TEST(an_empty_bitmap_makes_no_report),
            TEST(a_full_bitmap_is_one_extent),
            TEST(a_million_extents_arrive_in_many_reports),
            TEST(memory_does_not_grow_with_the_bitmap),
            TEST(bitmaps_whose_bits_mean_nothing_are_refused),
            TEST(a_damaged_table_is_told_before_any_extent),
            TEST(states_that_only_forbid_writing_are_mapped),
            TEST(a_table_that_changes_meanwhile_is_told),
            TEST(a_picture_wider_than_any_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
