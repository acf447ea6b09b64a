/* SPDX-License-Identifier: MIT */
/*
 * What is reported of an image: every field as an independent reader sees it; and of a
 * damaged one, what is wrong, where, and all that is sound.
 */
#include <string.h>

#include "guest/ops/info.h"
#include "tests/unit/ops/ops.h"

#define MAX_DAMAGE 300u

/* What the host is told. */
static struct abi_report_image image;
static char texts[8192];
static struct abi_report_snapshot snapshots[MADE_MAX_SNAPSHOTS];
static char snapshot_texts[MADE_MAX_SNAPSHOTS][512];
static uint32_t snapshot_count;
static struct abi_report_bitmap bitmaps[MADE_MAX_BITMAPS];
static char names[MADE_MAX_BITMAPS][1100];
static uint32_t bitmap_count;
static struct abi_report_damage damage[MAX_DAMAGE];
static char damaged[MAX_DAMAGE][1100];
static uint32_t damage_count;
static uint64_t last_kind;

static struct ops ops;

static void take_bytes(void *to, size_t size, char *text, size_t text_size,
                       const void *bytes, uint64_t length)
{
        assert_true(length >= size && length - size < text_size);
        memcpy(to, bytes, size);
        memset(text, 0, text_size);
        memcpy(text, (const char *)bytes + size, length - size);
}

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        assert_true(kind >= last_kind);
        last_kind = kind;
        switch (kind) {
        case ABI_REPORT_IMAGE:
                take_bytes(&image, sizeof image, texts, sizeof texts, bytes, length);
                break;
        case ABI_REPORT_SNAPSHOT:
                take_bytes(&snapshots[snapshot_count], sizeof *snapshots,
                           snapshot_texts[snapshot_count], sizeof *snapshot_texts, bytes,
                           length);
                snapshot_count++;
                break;
        case ABI_REPORT_BITMAP:
                take_bytes(&bitmaps[bitmap_count], sizeof *bitmaps, names[bitmap_count],
                           sizeof *names, bytes, length);
                bitmap_count++;
                break;
        case ABI_REPORT_DAMAGE:
                take_bytes(&damage[damage_count], sizeof *damage, damaged[damage_count],
                           sizeof *damaged, bytes, length);
                damage_count++;
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

static enum abi_code info(uint32_t flags)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        call.flags = flags;
        snapshot_count = bitmap_count = damage_count = 0;
        last_kind = 0;
        assert_true(native_image_copy(&ops.before, ops.image));
        ops.outcome = native_run(ops.host, info_main, &call);
        if (ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops.outcome.rule);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        assert_true(native_image_equal(ops.image, &ops.before));
        return (enum abi_code)ops.outcome.result.code;
}

static const struct made_options rich = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .data_clusters = 4,
    .snapshots = 3,
    .bitmap_count = 5,
    .bitmaps =
        {{.name = "empty", .granularity_bits = 9},
         {.name = "ones", .granularity_bits = 9, .fill = MADE_ONES, .flags = 2},
         {.name = "data", .granularity_bits = 10, .fill = MADE_DATA, .dirty_tail = true},
         {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 3},
         {.name = "running", .granularity_bits = 9, .fill = MADE_DATA, .flags = 3}},
};

/* ---- sound images ------------------------------------------------------------------ */

static void every_field_is_as_the_reader_sees_it(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(image.version, 3);
        assert_int_equal(image.size, rich.virtual_size);
        assert_int_equal(image.cluster_size, 4096);
        assert_int_equal(image.refcount_bits, 16);
        assert_int_equal(image.flags, ABI_IMAGE_BACKING | ABI_IMAGE_BACKING_RELATIVE);
        assert_int_equal(image.backing_length, 8);
        assert_string_equal(texts, "base.img");
        assert_int_equal(snapshot_count, 3);
        assert_int_equal(damage_count, 0);
        assert_int_equal(bitmap_count, 5);
        for (uint32_t i = 0; i < bitmap_count; i++) {
                const struct read_bitmap *b = &ops.read.bitmaps[i];
                assert_string_equal(names[i], rich.bitmaps[i].name);
                assert_int_equal(bitmaps[i].entry_offset, ops.places.entries[i]);
                assert_int_equal(bitmaps[i].table_offset, b->table_offset);
                assert_int_equal(bitmaps[i].table_entries, b->table_entries);
                assert_int_equal(bitmaps[i].flags, b->flags);
                assert_int_equal(bitmaps[i].granularity, 1ull << b->granularity_bits);
                assert_int_equal(bitmaps[i].table_clusters, 1);
                assert_int_equal(bitmaps[i].counted, 0);
        }
}

/* Bytes of the disk that the reader sees as dirty. */
static uint64_t dirty_bytes(const char *name)
{
        const struct read_bitmap *b = ops_bitmap(&ops, name);
        uint64_t granule = 1ull << b->granularity_bits;
        uint64_t dirty = 0;
        for (uint64_t at = 0; at < ops.read.virtual_size; at += granule) {
                uint64_t left = ops.read.virtual_size - at;
                if (read_bit(b, at / granule))
                        dirty += left < granule ? left : granule;
        }
        return dirty;
}

static void clusters_and_dirty_bytes_are_counted_if_asked(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_int_equal(image.flags & ABI_IMAGE_COUNTED, ABI_IMAGE_COUNTED);
        assert_int_equal(damage_count, 0);
        for (uint32_t i = 0; i < 4; i++) {
                assert_int_equal(bitmaps[i].counted,
                                 ABI_BITMAP_CLUSTERS | ABI_BITMAP_DIRTY);
                assert_int_equal(bitmaps[i].data_clusters,
                                 ops.read.bitmaps[i].data_clusters);
                assert_int_equal(bitmaps[i].dirty_bytes,
                                 dirty_bytes(rich.bitmaps[i].name));
        }
        assert_int_equal(bitmaps[1].dirty_bytes, rich.virtual_size);
        assert_int_equal(bitmaps[4].counted, ABI_BITMAP_CLUSTERS);
        assert_int_equal(bitmaps[4].data_clusters, ops.read.bitmaps[4].data_clusters);
}

/* The cost is the directory's, however much the bitmaps hold. */
static void without_count_no_table_is_read(void **state)
{
        struct made_options options = rich;
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(info(0), ABI_OK);
        uint64_t small = ops.outcome.bytes_read;
        options.virtual_size = 1ull << 32;
        ops_make(&ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(ops.outcome.bytes_read, small);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_true(ops.outcome.bytes_read > 10 * small);
}

static void a_stale_list_is_told_and_not_counted(void **state)
{
        struct made_options options = rich;
        (void)state;
        options.stale = true;
        ops_make(&ops, &options);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_true(image.flags & ABI_IMAGE_STALE);
        assert_int_equal(bitmap_count, 5);
        assert_int_equal(bitmaps[1].counted, ABI_BITMAP_CLUSTERS);
        assert_int_equal(damage_count, 0);
}

static void the_emptied_record_is_no_list(void **state)
{
        const struct made_options options = {.emptied_record = true};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(bitmap_count, 0);
        assert_int_equal(damage_count, 0);
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
                ops_make(&ops, &options);
                assert_int_equal(info(0), ABI_OK);
                assert_string_equal(texts, cases[i].name);
                assert_int_equal(!!(image.flags & ABI_IMAGE_BACKING_RELATIVE),
                                 cases[i].relative);
        }
}

/* What edits refuse is described all the same. */
static void features_are_told_as_they_are(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        poke64(ops.image, 72, 0x1f);
        poke64(ops.image, 80, 1);
        poke32(ops.image, 96, 0);
        poke32(ops.image, 32, 2);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(image.incompatible, 0x1f);
        assert_int_equal(image.compatible, 1);
        assert_int_equal(image.refcount_bits, 1);
        assert_int_equal(image.crypt_method, 2);
        assert_true(image.flags & ABI_IMAGE_ENCRYPTED);
        assert_true(image.flags & ABI_IMAGE_DATA_FILE);
        assert_int_equal(snapshot_count, 0); /* as with any data file */
        assert_int_equal(bitmap_count, 5);
}

static void version_2_has_its_own_header(void **state)
{
        const struct made_options options = {.backing = "b"};
        (void)state;
        ops_make(&ops, &options);
        poke32(ops.image, 4, 2);
        for (uint64_t at = 72; at < 112; at += 8)
                poke64(ops.image, at, 0);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(image.version, 2);
        assert_int_equal(image.refcount_bits, 16);
        assert_string_equal(texts, "b");
        assert_int_equal(damage_count, 0);
}

/* ---- damage ------------------------------------------------------------------------ */

static bool is_told(enum abi_code code, uint64_t fault)
{
        size_t place = code == ABI_BAD_HEADER ? 0 : 2;
        for (uint32_t i = 0; i < damage_count; i++)
                if (damage[i].code == code && damage[i].detail[place] == fault)
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
                ops_make(&ops, &rich);
                at = ops.places.entries[1] + cases[i].at;
                if (cases[i].bytes == 8)
                        poke64(ops.image, at, cases[i].value);
                else
                        poke32(ops.image, at, (uint32_t)cases[i].value);
                assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
                assert_int_equal(bitmap_count, 5);
                assert_int_equal(damage_count, 1);
                assert_true(is_told(ABI_BAD_DIRECTORY, cases[i].fault));
                assert_int_equal(damage[0].detail[0], ops.places.entries[1]);
                assert_int_equal(damage[0].detail[1], 1);
                assert_string_equal(damaged[0], "ones");
                assert_int_equal(bitmaps[1].counted, 0);
                assert_int_equal(bitmaps[2].dirty_bytes, dirty_bytes("data"));
        }
}

static void extra_data_is_told_because_qemu_refuses_it(void **state)
{
        const struct made_options options = {
            .bitmap_count = 1,
            .bitmaps = {{.name = "b", .extra_length = 24, .flags = 4}}};
        (void)state;
        ops_make(&ops, &options);
        assert_int_equal(info(0), ABI_OK);
        assert_true(is_told(ABI_BAD_DIRECTORY, ABI_DIRECTORY_EXTRA));
        assert_int_equal(bitmaps[0].extra_length, 24);
        assert_string_equal(names[0], "b");
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
                ops_make(&ops, &rich);
                at = ops.places.bitmaps_record + cases[i].at;
                if (cases[i].bytes == 8)
                        poke64(ops.image, at, cases[i].value);
                else
                        poke32(ops.image, at, (uint32_t)cases[i].value);
                assert_int_equal(info(0), ABI_OK);
                assert_true(is_told(ABI_BAD_EXTENSION, cases[i].fault));
                assert_int_equal(bitmap_count, cases[i].listed);
                assert_int_equal(image.size, rich.virtual_size);
                assert_int_equal(snapshot_count, 3);
        }
}

static void more_and_fewer_entries_than_announced_are_told_once(void **state)
{
        (void)state;
        for (uint32_t announced = 4; announced <= 6; announced += 2) {
                ops_make(&ops, &rich);
                poke32(ops.image, ops.places.bitmaps_record + 8, announced);
                assert_int_equal(info(0), ABI_OK);
                assert_int_equal(bitmap_count, 5);
                assert_int_equal(damage_count, 1);
                assert_true(is_told(ABI_BAD_DIRECTORY, ABI_DIRECTORY_COUNT));
        }
}

static void a_missing_extension_is_told(void **state)
{
        const struct made_options options = {0};
        (void)state;
        ops_make(&ops, &options);
        poke64(ops.image, 88, 1);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(damage_count, 1);
        assert_int_equal(damage[0].code, ABI_NO_AUTOCLEAR_EXTENSION);
}

static void a_damaged_table_is_told_only_where_tables_are_read(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        poke64(ops.image, ops.places.tables[2], 0x1001);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(damage_count, 0);
        assert_int_equal(info(ABI_CALL_COUNT), ABI_OK);
        assert_int_equal(damage_count, 1);
        assert_int_equal(damage[0].code, ABI_BAD_TABLE);
        assert_int_equal(damage[0].detail[2], 0x1001);
        assert_string_equal(damaged[0], "data");
        assert_int_equal(bitmaps[2].counted, 0);
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
                ops_make(&ops, &rich);
                poke64(ops.image, cases[i].at, cases[i].value);
                assert_int_equal(info(0), ABI_OK);
                assert_true(is_told(ABI_BAD_HEADER, cases[i].fault));
                assert_int_equal(bitmap_count, cases[i].listed);
        }
        ops_make(&ops, &rich);
        poke64(ops.image, 72, 1ull << 40);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(damage[0].code, ABI_UNKNOWN_INCOMPATIBLE);
        assert_int_equal(bitmap_count, 5);
}

static void much_extra_data_of_a_snapshot_is_told(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        poke32(ops.image, ops.places.snapshot_table + 36, 1024);
        assert_int_equal(info(0), ABI_OK);
        assert_false(is_told(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA));
        poke32(ops.image, ops.places.snapshot_table + 36, 1025);
        assert_int_equal(info(0), ABI_OK);
        assert_true(is_told(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA));
        assert_true(snapshot_count > 0);
        assert_int_equal(bitmap_count, 5);
}

static void without_a_geometry_nothing_is_told(void **state)
{
        (void)state;
        ops_make(&ops, &rich);
        poke32(ops.image, 20, 8);
        assert_int_equal(info(0), ABI_BAD_HEADER);
        assert_int_equal(last_kind, 0);
        poke32(ops.image, 0, 1);
        assert_int_equal(info(0), ABI_NOT_QCOW2);
        assert_int_equal(last_kind, 0);
}

static uint32_t more;

static void count_reports(void *context, uint64_t kind, const void *bytes,
                          uint64_t length)
{
        struct abi_report_damage report;
        (void)context;
        (void)length;
        bitmap_count += kind == ABI_REPORT_BITMAP;
        if (kind != ABI_REPORT_DAMAGE)
                return;
        memcpy(&report, bytes, sizeof report);
        damage_count++;
        more += report.more;
}

/* A cluster of entries that all have one name. */
static void damage_beyond_what_is_kept_is_counted(void **state)
{
        const struct made_options options = {.bitmap_count = 1,
                                             .bitmaps = {{.name = "b"}}};
        const uint32_t entries = 65536 / 32;
        (void)state;
        ops_make(&ops, &options);
        for (uint64_t i = 1; i < entries; i++)
                native_image_write(ops.image, ops.places.directory + i * 32,
                                   ops.image->bytes + ops.places.directory, 32);
        poke64(ops.image, ops.places.bitmaps_record + 16, 65536);
        poke32(ops.image, ops.places.bitmaps_record + 8, entries);
        native_host_set_sink(ops.host, count_reports, NULL);
        assert_int_equal(info(0), ABI_OK);
        assert_int_equal(bitmap_count, entries);
        assert_int_equal(damage_count + more, entries - 1);
        assert_true(more > 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(every_field_is_as_the_reader_sees_it),
            TEST(clusters_and_dirty_bytes_are_counted_if_asked),
            TEST(without_count_no_table_is_read),
            TEST(a_stale_list_is_told_and_not_counted),
            TEST(the_emptied_record_is_no_list),
            TEST(backing_names_are_relative_as_qemu_sees_them),
            TEST(features_are_told_as_they_are),
            TEST(version_2_has_its_own_header),
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
