/* SPDX-License-Identifier: MIT */
/* What is reported of a damaged image: what is wrong, where, and all that is sound. */
#include <string.h>

#include "tests/unit/ops/told.h"

static bool is_told(enum abi_code code, uint64_t fault)
{
        size_t place = code == ABI_BAD_HEADER ? 0 : 2;
        for (uint32_t i = 0; i < told.damage_count; i++)
                if (told.damage[i].code == code && told.damage[i].detail[place] == fault)
                        return true;
        return false;
}

static void a_damaged_entry_is_told_with_its_name_and_all_entries_are_listed(void **state)
{
        static const struct {
                uint32_t at, bytes;
                uint64_t value;
                enum abi_directory_fault fault;
        } cases[] = {
            {0, 8, 512, ABI_DIRECTORY_TABLE_OFFSET},
            {8, 4, 0, ABI_DIRECTORY_TABLE_SIZE},
            {12, 4, 8, ABI_DIRECTORY_FLAGS},
            {16, 4, 0x02090004, ABI_DIRECTORY_TYPE},
            {16, 4, 0x01080004, ABI_DIRECTORY_GRANULARITY},
            {16, 4, 0x01ff0004, ABI_DIRECTORY_GRANULARITY},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint64_t at;
                ops_make(&told_ops, &told_rich);
                at = told_ops.places.entries[1] + cases[i].at;
                if (cases[i].bytes == 8)
                        poke64(told_ops.image, at, cases[i].value);
                else
                        poke32(told_ops.image, at, (uint32_t)cases[i].value);
                assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
                assert_int_equal(told.bitmap_count, 5);
                assert_int_equal(told.damage_count, 1);
                assert_true(is_told(ABI_BAD_DIRECTORY, cases[i].fault));
                assert_int_equal(told.damage[0].detail[0], told_ops.places.entries[1]);
                assert_int_equal(told.damage[0].detail[1], 1);
                assert_string_equal(told.damaged[0], "ones");
                assert_int_equal(told.bitmaps[1].counted, 0);
                assert_int_equal(told.bitmaps[2].dirty_bytes, dirty_bytes("data"));
        }
}

static void extra_data_is_told_because_qemu_refuses_it(void **state)
{
        const struct made_options options = {
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .extra_length = 24, .flags = 4}}};
        (void)state;
        ops_make(&told_ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_true(is_told(ABI_BAD_DIRECTORY, ABI_DIRECTORY_EXTRA));
        assert_int_equal(told.bitmaps[0].extra_length, 24);
        assert_string_equal(told.names[0], "b");
}

static void the_extension_is_told_and_the_list_is_read_where_it_can_be(void **state)
{
        static const struct {
                uint32_t at, bytes;
                uint64_t value;
                enum abi_extension_fault fault;
                uint32_t listed;
        } cases[] = {
            {8, 4, 0, ABI_EXTENSION_NO_BITMAPS, 5},
            {8, 4, 70000, ABI_EXTENSION_TOO_MANY, 5},
            {12, 4, 1, ABI_EXTENSION_RESERVED, 5},
            {16, 8, 0, ABI_EXTENSION_DIRECTORY_SIZE, 0},
            {16, 8, 1ull << 40, ABI_EXTENSION_DIRECTORY_SIZE, 0},
            {24, 8, 0, ABI_EXTENSION_DIRECTORY, 0},
            {24, 8, 1ull << 40, ABI_EXTENSION_DIRECTORY, 0},
            {4, 4, 16, ABI_EXTENSION_LENGTH, 0},
            {4, 4, 0x7fffffff, ABI_EXTENSION_OVERRUN, 0},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint64_t at;
                ops_make(&told_ops, &told_rich);
                at = told_ops.places.bitmaps_record + cases[i].at;
                if (cases[i].bytes == 8)
                        poke64(told_ops.image, at, cases[i].value);
                else
                        poke32(told_ops.image, at, (uint32_t)cases[i].value);
                assert_int_equal(info(0), ABI_OK);
                assert_true(is_told(ABI_BAD_EXTENSION, cases[i].fault));
                assert_int_equal(told.bitmap_count, cases[i].listed);
                assert_int_equal(told.image.size, told_rich.virtual_size);
                assert_int_equal(told.snapshot_count, 3);
        }
}

static void more_and_fewer_entries_than_announced_are_told_once(void **state)
{
        (void)state;
        for (uint32_t announced = 4; announced <= 6; announced += 2) {
                ops_make(&told_ops, &told_rich);
                poke32(told_ops.image, told_ops.places.bitmaps_record + 8, announced);
                assert_int_equal(info(0), ABI_OK);
                assert_int_equal(told.bitmap_count, 5);
                assert_int_equal(told.damage_count, 1);
                assert_true(is_told(ABI_BAD_DIRECTORY, ABI_DIRECTORY_COUNT));
        }
}

static void a_missing_extension_is_told(void **state)
{
        const struct made_options options = {0};
        (void)state;
        ops_make(&told_ops, &options);
        poke64(told_ops.image, 88, 1);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.damage_count, 1);
        assert_int_equal(told.damage[0].code, ABI_NO_AUTOCLEAR_EXTENSION);
}

static void a_damaged_table_is_told_only_where_tables_are_read(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        poke64(told_ops.image, told_ops.places.tables[2], 0x1001);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.damage_count, 0);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_int_equal(told.damage_count, 1);
        assert_int_equal(told.damage[0].code, ABI_BAD_TABLE);
        assert_int_equal(told.damage[0].detail[2], 0x1001);
        assert_string_equal(told.damaged[0], "data");
        assert_int_equal(told.bitmaps[2].counted, 0);
}

static void header_damage_is_told_and_the_rest_described(void **state)
{
        static const struct {
                uint32_t at;
                uint64_t value;
                enum abi_header_fault fault;
                uint32_t listed;
        } cases[] = {
            {40, 0x1001, ABI_HEADER_L1, 5},
            {48, 0, ABI_HEADER_REFTABLE, 5},
            {64, 0x777, ABI_HEADER_SNAPSHOTS, 5},
            {8, 0x7fffffff, ABI_HEADER_BACKING, 5},
            {96, (7ull << 32) | 112, ABI_HEADER_REFCOUNT_ORDER, 5},
            {96, (4ull << 32) | 9, ABI_HEADER_LENGTH, 0},
            {32, 3ull << 32 | 1, ABI_HEADER_ENCRYPTION, 5},
            {32, 2ull << 32 | 1, ABI_HEADER_NO_LUKS, 5},
            {72, 8, ABI_HEADER_COMPRESSION, 5},
            {104, 1ull << 56, ABI_HEADER_COMPRESSION, 5},
            {72, 16, ABI_HEADER_SUBCLUSTERS, 5},
            {88, 3, ABI_HEADER_RAW_DATA, 5},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                ops_make(&told_ops, &told_rich);
                poke64(told_ops.image, cases[i].at, cases[i].value);
                assert_int_equal(info(0), ABI_OK);
                assert_true(is_told(ABI_BAD_HEADER, cases[i].fault));
                assert_int_equal(told.bitmap_count, cases[i].listed);
        }
        ops_make(&told_ops, &told_rich);
        poke64(told_ops.image, 72, 1ull << 40);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.damage[0].code, ABI_UNKNOWN_INCOMPATIBLE);
        assert_int_equal(told.bitmap_count, 5);
}

static void much_extra_data_of_a_snapshot_is_told(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        poke32(told_ops.image, told_ops.places.snapshot_table + 36, 1024);
        assert_int_equal(info(0), ABI_OK);
        assert_false(is_told(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA));
        poke32(told_ops.image, told_ops.places.snapshot_table + 36, 1025);
        assert_int_equal(info(0), ABI_OK);
        assert_true(is_told(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA));
        assert_true(told.snapshot_count > 0);
        assert_int_equal(told.bitmap_count, 5);
}

static void without_a_geometry_nothing_is_told(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        poke32(told_ops.image, 20, 8);
        assert_int_equal(info(0), ABI_BAD_HEADER);
        assert_int_equal(told.last_kind, 0);
        poke32(told_ops.image, 0, 1);
        assert_int_equal(info(0), ABI_NOT_QCOW2);
        assert_int_equal(told.last_kind, 0);
}

static uint32_t more;

static void count_reports(void *context, uint64_t kind, const void *bytes,
                          uint64_t length)
{
        struct abi_report_damage report;
        (void)context;
        (void)length;
        told.bitmap_count += kind == ABI_REPORT_BITMAP;
        if (kind != ABI_REPORT_DAMAGE)
                return;
        memcpy(&report, bytes, sizeof report);
        told.damage_count++;
        more += report.more;
}

/* A cluster of entries that all have one name. */
static void damage_beyond_what_is_kept_is_counted(void **state)
{
        const struct made_options options = {.bitmap_count = 1,
                                             .bitmaps = {{.name = "b"}}};
        const uint32_t entries = 65536 / 32;
        (void)state;
        ops_make(&told_ops, &options);
        for (uint64_t i = 1; i < entries; i++)
                native_image_write(told_ops.image, told_ops.places.directory + i * 32,
                                   told_ops.image->bytes + told_ops.places.directory, 32);
        poke64(told_ops.image, told_ops.places.bitmaps_record + 16, 65536);
        poke32(told_ops.image, told_ops.places.bitmaps_record + 8, entries);
        native_host_set_sink(told_ops.host, count_reports, NULL);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.bitmap_count, entries);
        assert_int_equal(told.damage_count + more, entries - 1);
        assert_true(more > 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, told_set_up, told_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_damaged_entry_is_told_with_its_name_and_all_entries_are_listed),
            TEST(extra_data_is_told_because_qemu_refuses_it),
            TEST(the_extension_is_told_and_the_list_is_read_where_it_can_be),
            TEST(more_and_fewer_entries_than_announced_are_told_once),
            TEST(a_missing_extension_is_told),
            TEST(a_damaged_table_is_told_only_where_tables_are_read),
            TEST(header_damage_is_told_and_the_rest_described),
            TEST(much_extra_data_of_a_snapshot_is_told),
            TEST(without_a_geometry_nothing_is_told),
            TEST(damage_beyond_what_is_kept_is_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
