/* SPDX-License-Identifier: MIT */
/* What a guest may report of a map, and what is printed of it. */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/abi.h"
#include "host/cli/map_sink.h"

#define COLUMNS      10u
#define DISK         (COLUMNS * UINT64_C(65536))
#define LAST         ((uint64_t)INT64_MAX)
#define HUMAN_HEADER "Offset          Length\n"

static struct map_sink sink;
static int out;

static void start(const struct map_format *format, uint32_t columns)
{
        out = memfd_create("map", MFD_CLOEXEC);
        assert_true(out >= 0);
        map_sink_start(&sink, out, format, columns, false);
}

/* A guest's: at an address that suits no struct. */
static int report(uint64_t kind, const void *bytes, size_t length)
{
        uint8_t *copy = malloc(length + 1);
        int error;

        assert_non_null(copy);
        memcpy(copy + 1, bytes, length);
        error = map_sink_take(&sink, kind, copy + 1, length);
        free(copy);
        return error;
}

#define EXTENTS(...)                                                                     \
        report(ABI_REPORT_EXTENTS, ((const struct abi_range[]){__VA_ARGS__}),            \
               sizeof((const struct abi_range[]){__VA_ARGS__}))

struct picture {
        struct abi_report_picture facts;
        uint64_t dirty[COLUMNS + 1];
};

/* The first column is dirty. */
static struct picture picture(void)
{
        return (struct picture){
            {.size = DISK, .dirty = 65536, .columns = COLUMNS, .column_bytes = 65536},
            {65536}};
}

#define PICTURE_SIZE offsetof(struct picture, dirty[COLUMNS])

static int report_picture(struct picture drawn)
{
        return report(ABI_REPORT_PICTURE, &drawn, PICTURE_SIZE);
}

/* All that was written, a string. */
static char *written(void)
{
        off_t length = lseek(out, 0, SEEK_END);
        char *text = calloc(1, (size_t)length + 1);

        assert_non_null(text);
        assert_int_equal(pread(out, text, (size_t)length, 0), length);
        close(out);
        return text;
}

static void expect(const char *expected)
{
        char *text;

        assert_int_equal(map_sink_finish(&sink), 0);
        text = written();
        assert_string_equal(text, expected);
        free(text);
}

/* The sink is of no use after it: a new one for each. */
#define EXPECT_REFUSAL(columns, ...)                                                     \
        do {                                                                             \
                start(&map_human, columns);                                              \
                assert_int_equal((__VA_ARGS__), -EBADMSG);                               \
                close(out);                                                              \
        } while (0)

/* ---- the formats ------------------------------------------------------------------- */

static void a_clean_bitmap_is_an_empty_list(void **state)
{
        (void)state;
        start(&map_human, 0);
        expect(HUMAN_HEADER);
        start(&map_json, 0);
        expect("[]\n");
}

static void one_extent_is_a_list_of_one(void **state)
{
        (void)state;
        start(&map_human, 0);
        assert_int_equal(EXTENTS({0, 0x10000}), 0);
        expect(HUMAN_HEADER "0               0x10000\n");
        start(&map_json, 0);
        assert_int_equal(EXTENTS({0, 65536}), 0);
        expect("[{ \"start\": 0, \"length\": 65536, \"depth\": 0, \"present\": true, "
               "\"zero\": false, \"data\": true}]\n");
}

static void reports_join_without_a_seam(void **state)
{
        (void)state;
        start(&map_human, 0);
        assert_int_equal(EXTENTS({0x200, 0x200}, {0xabcde0000, 0x1}), 0);
        assert_int_equal(EXTENTS({0xf00000000, 0xfedcba98765}), 0);
        expect(HUMAN_HEADER "0x200           0x200\n"
                            "0xabcde0000     0x1\n"
                            "0xf00000000     0xfedcba98765\n");
        start(&map_json, 0);
        assert_int_equal(EXTENTS({512, 512}, {10000000000, 1}), 0);
        assert_int_equal(EXTENTS({20000000000, 123456789012}), 0);
        expect("[{ \"start\": 512, \"length\": 512, \"depth\": 0, \"present\": true, "
               "\"zero\": false, \"data\": true},\n"
               "{ \"start\": 10000000000, \"length\": 1, \"depth\": 0, \"present\": "
               "true, \"zero\": false, \"data\": true},\n"
               "{ \"start\": 20000000000, \"length\": 123456789012, \"depth\": 0, "
               "\"present\": true, \"zero\": false, \"data\": true}]\n");
}

/* Extents with numbers of all lengths, up to the end of the largest disk. */
static size_t make_extents(struct abi_range *extents)
{
        size_t count = 0;

        extents[count++] = (struct abi_range){0, 1};
        for (unsigned bit = 1; bit < 63; bit++) {
                uint64_t offset = UINT64_C(1) << bit;
                extents[count++] = (struct abi_range){offset, offset / 2 + offset / 3};
        }
        extents[count - 1].length = LAST - extents[count - 1].offset;
        return count;
}

static char *model(const struct map_format *format, const struct abi_range *extents,
                   size_t count)
{
        char *text = malloc(64 + 160 * count);
        char *to = text;

        assert_non_null(text);
        if (format == &map_human)
                to = stpcpy(to, HUMAN_HEADER);
        for (size_t i = 0; i < count; i++) {
                unsigned long start_at = extents[i].offset;
                unsigned long length = extents[i].length;

                to += format == &map_human
                          ? sprintf(to, "%#-16lx%#lx\n", start_at, length)
                          : sprintf(to,
                                    "%s{ \"start\": %lu, \"length\": %lu, \"depth\": 0, "
                                    "\"present\": true, \"zero\": false, \"data\": "
                                    "true}",
                                    i ? ",\n" : "[", start_at, length);
        }
        if (format == &map_json)
                strcpy(to, "]\n");
        return text;
}

static void expect_model(const struct map_format *format, const struct abi_range *extents,
                         size_t count, size_t per_report)
{
        char *expected = model(format, extents, count);

        start(format, 0);
        for (size_t i = 0; i < count; i += per_report) {
                size_t part = count - i < per_report ? count - i : per_report;
                assert_int_equal(
                    report(ABI_REPORT_EXTENTS, extents + i, part * sizeof *extents), 0);
        }
        expect(expected);
        free(expected);
}

static void numbers_of_all_lengths_are_as_printf_has_them(void **state)
{
        struct abi_range extents[64];
        size_t count = make_extents(extents);

        (void)state;
        expect_model(&map_human, extents, count, count);
        expect_model(&map_json, extents, count, 7);
}

static void many_extents_go_through_the_buffer_whole(void **state)
{
        const size_t count = 50000;
        struct abi_range *extents = calloc(count, sizeof *extents);
        uint64_t at = 0;

        (void)state;
        assert_non_null(extents);
        for (size_t i = 0; i < count; i++) {
                extents[i] = (struct abi_range){at, (i * i + 1) << 9};
                at += extents[i].length + 512;
        }
        expect_model(&map_human, extents, count, 4096);
        expect_model(&map_json, extents, count, 4096);
        expect_model(&map_json, extents, count, 1);
        free(extents);
}

static void a_picture_comes_first_and_apart(void **state)
{
        (void)state;
        start(&map_human, COLUMNS);
        assert_int_equal(report_picture(picture()), 0);
        assert_int_equal(EXTENTS({0, 65536}), 0);
        expect("dirty: 64 KiB of 640 KiB (10.00 %)\n"
               "|@         |\n"
               "0    640 KiB\n"
               "\n" HUMAN_HEADER "0               0x10000\n");
}

/* ---- what is refused --------------------------------------------------------------- */

static void malformed_extents_are_refused(void **state)
{
        static const struct abi_range extent = {0, 1};

        (void)state;
        EXPECT_REFUSAL(0, report(ABI_REPORT_EXTENTS, &extent, 0));
        EXPECT_REFUSAL(0, report(ABI_REPORT_EXTENTS, &extent, sizeof extent - 1));
        EXPECT_REFUSAL(0, report(ABI_REPORT_EXTENTS, &extent, 8));
        EXPECT_REFUSAL(0, EXTENTS({0, 0}));
        EXPECT_REFUSAL(0, EXTENTS({0, 512}, {1024, 0}));
}

static void extents_that_do_not_ascend_apart_are_refused(void **state)
{
        (void)state;
        EXPECT_REFUSAL(0, EXTENTS({512, 512}, {1024, 512}));
        EXPECT_REFUSAL(0, EXTENTS({512, 512}, {512, 512}));
        EXPECT_REFUSAL(0, EXTENTS({512, 512}, {1023, 512}));
        EXPECT_REFUSAL(0, EXTENTS({512, 512}, {0, 256}));
        start(&map_human, 0);
        assert_int_equal(EXTENTS({512, 512}, {1025, 1}), 0);
        assert_int_equal(EXTENTS({1026, 1}), -EBADMSG);
        close(out);
}

static void extents_behind_the_end_are_refused(void **state)
{
        (void)state;
        EXPECT_REFUSAL(0, EXTENTS({0, LAST + 1}));
        EXPECT_REFUSAL(0, EXTENTS({LAST, 1}));
        EXPECT_REFUSAL(0, EXTENTS({1, UINT64_MAX}));
        EXPECT_REFUSAL(0, EXTENTS({UINT64_MAX, 1}));
        EXPECT_REFUSAL(0, EXTENTS({UINT64_MAX - 1, 3}));
        start(&map_human, 0);
        assert_int_equal(EXTENTS({LAST - 1, 1}), 0);
        assert_int_equal(EXTENTS({LAST, 0}), -EBADMSG);
        close(out);
        start(&map_human, COLUMNS);
        assert_int_equal(report_picture(picture()), 0);
        assert_int_equal(EXTENTS({DISK - 1, 1}), 0);
        close(out);
        start(&map_human, COLUMNS);
        assert_int_equal(report_picture(picture()), 0);
        assert_int_equal(EXTENTS({DISK - 1, 2}), -EBADMSG);
        close(out);
}

static void a_picture_out_of_place_is_refused(void **state)
{
        (void)state;
        EXPECT_REFUSAL(0, report_picture(picture())); /* nobody asked */
        start(&map_human, COLUMNS);
        assert_int_equal(report_picture(picture()), 0);
        assert_int_equal(report_picture(picture()), -EBADMSG);
        close(out);
        start(&map_human, COLUMNS);
        assert_int_equal(report_picture(picture()), 0);
        assert_int_equal(EXTENTS({0, 1}), 0);
        assert_int_equal(report_picture(picture()), -EBADMSG);
        close(out);
        EXPECT_REFUSAL(COLUMNS, EXTENTS({0, 1})); /* it was to be the first */
        EXPECT_REFUSAL(COLUMNS, map_sink_finish(&sink));
}

static void a_picture_of_another_length_is_refused(void **state)
{
        struct picture drawn = picture();

        (void)state;
        EXPECT_REFUSAL(COLUMNS, report(ABI_REPORT_PICTURE, &drawn, PICTURE_SIZE - 8));
        EXPECT_REFUSAL(COLUMNS, report(ABI_REPORT_PICTURE, &drawn, PICTURE_SIZE + 8));
        EXPECT_REFUSAL(COLUMNS, report(ABI_REPORT_PICTURE, &drawn, 8));
        drawn.facts.columns = COLUMNS - 1;
        EXPECT_REFUSAL(COLUMNS, report_picture(drawn));
        drawn.facts.columns = COLUMNS + 1;
        EXPECT_REFUSAL(COLUMNS, report_picture(drawn));
}

static void an_impossible_picture_is_refused(void **state)
{
        struct picture drawn = picture();

        (void)state;
        drawn.facts.dirty = DISK + 1;
        EXPECT_REFUSAL(COLUMNS, report_picture(drawn));
}

static void every_other_kind_is_refused(void **state)
{
        static const uint64_t kinds[] = {0,
                                         ABI_REPORT_IMAGE,
                                         ABI_REPORT_SNAPSHOT,
                                         ABI_REPORT_BITMAP,
                                         7,
                                         ABI_REPORT_DAMAGE,
                                         ABI_REPORT_EXTENTS + 256,
                                         UINT64_MAX,
                                         8,
                                         1ull << 32 | ABI_REPORT_EXTENTS};
        static const struct abi_range extent = {0, 1};

        (void)state;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
                EXPECT_REFUSAL(0, report(kinds[i], &extent, sizeof extent));
}

static void nothing_of_a_refused_report_is_printed(void **state)
{
        char *text;

        (void)state;
        start(&map_json, 0);
        assert_int_equal(EXTENTS({0, 512}, {0, 512}), -EBADMSG);
        assert_false(sink.output.begun);
        assert_int_equal(sink.output.text.length, 0);
        text = written();
        assert_string_equal(text, "");
        free(text);
}

/* ---- an output that fails ---------------------------------------------------------- */

static void a_full_disk_is_told_at_once(void **state)
{
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        struct abi_range extent = {0, 1};
        unsigned taken = 0;
        int error = 0;

        (void)state;
        assert_true(full >= 0);
        map_sink_start(&sink, full, &map_json, 0, false);
        for (; !error && taken < 100000; taken++, extent.offset += 2)
                error = report(ABI_REPORT_EXTENTS, &extent, sizeof extent);
        assert_int_equal(error, -ENOSPC);
        assert_in_range(taken, 2, TEXT_MAX / 80);
        map_sink_start(&sink, full, &map_json, 0, false);
        assert_int_equal(map_sink_finish(&sink), -ENOSPC);
        close(full);
}

static void no_error_of_the_output_is_taken_for_one_of_the_guest(void **state)
{
        (void)state;
        start(&map_json, 0);
        sink.output.error = EBADMSG;
        assert_int_equal(EXTENTS({0, 1}), -EIO);
        assert_int_equal(map_sink_finish(&sink), -EIO);
        close(out);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_clean_bitmap_is_an_empty_list),
            cmocka_unit_test(one_extent_is_a_list_of_one),
            cmocka_unit_test(reports_join_without_a_seam),
            cmocka_unit_test(numbers_of_all_lengths_are_as_printf_has_them),
            cmocka_unit_test(many_extents_go_through_the_buffer_whole),
            cmocka_unit_test(a_picture_comes_first_and_apart),
            cmocka_unit_test(malformed_extents_are_refused),
            cmocka_unit_test(extents_that_do_not_ascend_apart_are_refused),
            cmocka_unit_test(extents_behind_the_end_are_refused),
            cmocka_unit_test(a_picture_out_of_place_is_refused),
            cmocka_unit_test(a_picture_of_another_length_is_refused),
            cmocka_unit_test(an_impossible_picture_is_refused),
            cmocka_unit_test(every_other_kind_is_refused),
            cmocka_unit_test(nothing_of_a_refused_report_is_printed),
            cmocka_unit_test(a_full_disk_is_told_at_once),
            cmocka_unit_test(no_error_of_the_output_is_taken_for_one_of_the_guest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
