/* SPDX-License-Identifier: MIT */
/* What is reported of a sound image: every field as an independent reader sees it. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/told.h"

static void every_field_is_as_the_reader_sees_it(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.image.version, 3);
        assert_int_equal(told.image.size, told_rich.virtual_size);
        assert_int_equal(told.image.cluster_size, 4096);
        assert_int_equal(told.image.refcount_bits, 16);
        assert_int_equal(told.image.flags,
                         ABI_IMAGE_BACKING | ABI_IMAGE_BACKING_RELATIVE);
        assert_int_equal(told.image.backing_length, 8);
        assert_string_equal(told.texts, "base.img");
        assert_int_equal(told.snapshot_count, 3);
        assert_int_equal(told.damage_count, 0);
        assert_int_equal(told.bitmap_count, 5);
        for (uint32_t i = 0; i < told.bitmap_count; i++) {
                const struct read_bitmap *b = &told_ops.read.bitmaps[i];
                assert_string_equal(told.names[i], told_rich.bitmaps[i].name);
                assert_int_equal(told.bitmaps[i].entry_offset,
                                 told_ops.places.entries[i]);
                assert_int_equal(told.bitmaps[i].table_offset, b->table_offset);
                assert_int_equal(told.bitmaps[i].table_entries, b->table_entries);
                assert_int_equal(told.bitmaps[i].flags, b->flags);
                assert_int_equal(told.bitmaps[i].granularity,
                                 1ull << b->granularity_bits);
                assert_int_equal(told.bitmaps[i].table_clusters, 1);
                assert_int_equal(told.bitmaps[i].counted, 0);
        }
}

static void clusters_and_dirty_bytes_are_counted_if_asked(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_int_equal(told.image.flags & ABI_IMAGE_COUNTED, ABI_IMAGE_COUNTED);
        assert_int_equal(told.damage_count, 0);
        for (uint32_t i = 0; i < 4; i++) {
                assert_int_equal(told.bitmaps[i].counted,
                                 ABI_BITMAP_CLUSTERS | ABI_BITMAP_DIRTY);
                assert_int_equal(told.bitmaps[i].data_clusters,
                                 told_ops.read.bitmaps[i].data_clusters);
                assert_int_equal(told.bitmaps[i].dirty_bytes,
                                 dirty_bytes(told_rich.bitmaps[i].name));
        }
        assert_int_equal(told.bitmaps[1].dirty_bytes, told_rich.virtual_size);
        assert_int_equal(told.bitmaps[4].counted, ABI_BITMAP_CLUSTERS);
        assert_int_equal(told.bitmaps[4].data_clusters,
                         told_ops.read.bitmaps[4].data_clusters);
}

/* The cost is the directory's, however much the bitmaps hold. */
static void without_count_no_table_is_read(void **state)
{
        struct made_options options = told_rich;
        (void)state;
        ops_make(&told_ops, &options);
        assert_int_equal(info(0), ABI_OK);
        uint64_t small = told_ops.outcome.bytes_read;
        options.virtual_size = 1ull << 32;
        ops_make(&told_ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told_ops.outcome.bytes_read, small);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_true(told_ops.outcome.bytes_read > 10 * small);
}

/* The tables are read along with each other. */
static void many_bitmaps_are_counted_with_few_doorbells(void **state)
{
        struct made_options options = {.virtual_size = 16ull << 20};
        char names[MADE_MAX_BITMAPS][16];
        (void)state;
        options.bitmap_count = MADE_MAX_BITMAPS;
        for (uint32_t i = 0; i < options.bitmap_count; i++) {
                snprintf(names[i], sizeof names[i], "b%u", i);
                options.bitmaps[i].name = names[i];
        }
        ops_make(&told_ops, &options);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_int_equal(told.bitmap_count, MADE_MAX_BITMAPS);
        assert_int_equal(told.bitmaps[63].counted,
                         ABI_BITMAP_CLUSTERS | ABI_BITMAP_DIRTY);
        assert_in_range(told_ops.outcome.doorbells, 1, 10);
}

static void a_stale_list_is_told_and_not_counted(void **state)
{
        struct made_options options = told_rich;
        (void)state;
        options.stale = true;
        ops_make(&told_ops, &options);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_true(told.image.flags & ABI_IMAGE_STALE);
        assert_int_equal(told.bitmap_count, 5);
        assert_int_equal(told.bitmaps[1].counted, ABI_BITMAP_CLUSTERS);
        assert_int_equal(told.damage_count, 0);
}

static void the_emptied_record_is_no_list(void **state)
{
        const struct made_options options = {.emptied_record = true};
        (void)state;
        ops_make(&told_ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.bitmap_count, 0);
        assert_int_equal(told.damage_count, 0);
}

static void backing_names_are_relative_as_qemu_sees_them(void **state)
{
        static const struct {
                const char *name;
                bool relative;
        } cases[] = {
            {"a", true},     {"./a:b", true},  {"dir/a", true},
            {"/a", false},   {"nbd:x", false}, {"json:{\"a\": 1}", false},
            {"a:/b", false}, {":", false},     {"dir/x:y", true},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct made_options options = {.backing = cases[i].name};
                ops_make(&told_ops, &options);
                assert_int_equal(info(0), ABI_OK);
                assert_string_equal(told.texts, cases[i].name);
                assert_int_equal(!!(told.image.flags & ABI_IMAGE_BACKING_RELATIVE),
                                 cases[i].relative);
        }
}

/* What edits refuse is described all the same. */
static void features_are_told_as_they_are(void **state)
{
        (void)state;
        ops_make(&told_ops, &told_rich);
        poke64(told_ops.image, 72, 0x1f);
        poke64(told_ops.image, 80, 1);
        poke32(told_ops.image, 96, 0);
        poke32(told_ops.image, 32, 2);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.image.incompatible, 0x1f);
        assert_int_equal(told.image.compatible, 1);
        assert_int_equal(told.image.refcount_bits, 1);
        assert_int_equal(told.image.crypt_method, 2);
        assert_true(told.image.flags & ABI_IMAGE_ENCRYPTED);
        assert_true(told.image.flags & ABI_IMAGE_DATA_FILE);
        assert_int_equal(told.snapshot_count, 0); /* as with any data file */
        assert_int_equal(told.bitmap_count, 5);
}

/* A record of the chain: where the next one begins. */
static uint32_t put_record(uint32_t at, uint32_t type, const char *text, uint32_t length)
{
        poke32(told_ops.image, at, type);
        poke32(told_ops.image, at + 4, length);
        native_image_write(told_ops.image, at + 8, text, strlen(text));
        return at + 8 + (length + 7) / 8 * 8;
}

static void formats_and_data_files_are_told_as_the_header_has_them(void **state)
{
        const struct made_options options = {.cluster_bits = 16};
        (void)state;
        ops_make(&told_ops, &options);
        uint32_t at = put_record(112, 0xe2792aca, "raw", 3);
        put_record(at, 0x44415441, "disk.raw", 8);
        poke64(told_ops.image, 72, 4);
        poke64(told_ops.image, 88, 2);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.image.flags,
                         ABI_IMAGE_BACKING_FORMAT | ABI_IMAGE_DATA_FILE_NAME |
                             ABI_IMAGE_DATA_FILE | ABI_IMAGE_DATA_FILE_RAW);
        assert_int_equal(told.image.backing_format_length, 3);
        assert_int_equal(told.image.data_file_length, 8);
        assert_string_equal(told.texts, "rawdisk.raw");
        assert_int_equal(told.damage_count, 0);
}

static void a_data_file_s_name_that_no_path_has_is_cut_and_told(void **state)
{
        const struct made_options options = {.cluster_bits = 16};
        static char name[4097];
        (void)state;
        memset(name, 'n', sizeof name - 1);
        ops_make(&told_ops, &options);
        put_record(112, 0x44415441, name, sizeof name - 1);
        poke64(told_ops.image, 72, 4);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.image.data_file_length, 4095);
        assert_int_equal(strlen(told.texts), 4095);
        assert_int_equal(told.damage_count, 1);
}

static void version_2_has_its_own_header(void **state)
{
        const struct made_options options = {.backing = "b"};
        (void)state;
        ops_make(&told_ops, &options);
        poke32(told_ops.image, 4, 2);
        for (uint64_t at = 72; at < 112; at += 8)
                poke64(told_ops.image, at, 0);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(told.image.version, 2);
        assert_int_equal(told.image.refcount_bits, 16);
        assert_string_equal(told.texts, "b");
        assert_int_equal(told.damage_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, told_set_up, told_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(every_field_is_as_the_reader_sees_it),
            TEST(clusters_and_dirty_bytes_are_counted_if_asked),
            TEST(without_count_no_table_is_read),
            TEST(many_bitmaps_are_counted_with_few_doorbells),
            TEST(a_stale_list_is_told_and_not_counted),
            TEST(the_emptied_record_is_no_list),
            TEST(backing_names_are_relative_as_qemu_sees_them),
            TEST(features_are_told_as_they_are),
            TEST(formats_and_data_files_are_told_as_the_header_has_them),
            TEST(a_data_file_s_name_that_no_path_has_is_cut_and_told),
            TEST(version_2_has_its_own_header),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
