/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <string.h>

#include "guest/rt/checked.h"
#include "host/cli/map_picture.h"

#define KIB (UINT64_C(1) << 10)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static struct output output;
static struct abi_report_picture facts;
static uint64_t dirty[ABI_MAX_COLUMNS];

/* A clean disk in so many columns. */
static void start(uint64_t size, uint32_t columns)
{
        memset(dirty, 0, sizeof dirty);
        facts = (struct abi_report_picture){
            .size = size,
            .columns = columns,
            .column_bytes = size ? divide_up(size, columns) : 1,
        };
}

static void draw(bool utf8)
{
        facts.dirty = 0;
        for (uint32_t i = 0; i < facts.columns; i++)
                facts.dirty += dirty[i];
        assert_true(map_picture_is_sound(&facts, dirty));
        output_start(&output, -1); /* it fits into the buffer */
        map_picture_draw(&output, &facts, dirty, utf8);
        assert_false(output.begun);
        text_bytes(&output.text, "", 1);
}

static void expect(bool utf8, const char *expected)
{
        draw(utf8);
        assert_string_equal(output.text.bytes, expected);
}

/* Lines of the text that was drawn, cut off. */
static const char *line(unsigned number)
{
        static char copy[sizeof output.text.bytes];
        char *at = strcpy(copy, output.text.bytes);

        while (number--)
                at = strchr(at, '\n') + 1;
        *strchrnul(at, '\n') = '\0';
        return at;
}

/* Characters, not bytes. */
static size_t width(const char *text)
{
        size_t count = 0;

        for (; *text; text++)
                count += (*text & 0xc0) != 0x80;
        return count;
}

static void it_is_as_wide_as_the_terminal_and_no_wider_than_a_report(void **state)
{
        (void)state;
        assert_int_equal(map_picture_columns(0), 0);
        assert_int_equal(map_picture_columns(2), 0);
        assert_int_equal(map_picture_columns(3), 1);
        assert_int_equal(map_picture_columns(80), 78);
        assert_int_equal(map_picture_columns(513), 511);
        assert_int_equal(map_picture_columns(514), 512);
        assert_int_equal(map_picture_columns(65535), 512);
}

static void every_step_has_a_character(void **state)
{
        (void)state;
        start(18 * 7 * KIB, 18);
        for (uint32_t i = 0; i < 7; i++) {
                dirty[1 + 2 * i] = i * KIB + 1;       /* the least of a step */
                dirty[2 + 2 * i] = (i + 1) * KIB - 1; /* and the most */
        }
        dirty[15] = 7 * KIB;
        expect(true, "dirty: 56 KiB of 126 KiB (44.44 %)\n"
                     "| ▁▁▂▂▃▃▄▄▅▅▆▆▇▇█  |\n"
                     "0            126 KiB\n");
        expect(false, "dirty: 56 KiB of 126 KiB (44.44 %)\n"
                      "| ..::--==++**##@  |\n"
                      "0            126 KiB\n");
}

static void a_clean_disk_is_blank(void **state)
{
        (void)state;
        start(16 * TIB, 38);
        expect(true, "dirty: 0 B of 16 TiB (0.00 %)\n"
                     "|                                      |\n"
                     "0                8 TiB            16 TiB\n");
}

static void one_bit_of_a_huge_disk_is_seen(void **state)
{
        (void)state;
        start(16 * TIB, 20);
        dirty[19] = 512;
        expect(true, "dirty: 512 B of 16 TiB (less than 0.01 %)\n"
                     "|                   ▁|\n"
                     "0       8 TiB   16 TiB\n");
}

static void one_clean_bit_of_a_huge_disk_is_seen(void **state)
{
        (void)state;
        start(16 * TIB, 16);
        for (uint32_t i = 0; i < 16; i++)
                dirty[i] = TIB;
        dirty[7] -= 512;
        expect(false, "dirty: 16 TiB of 16 TiB (more than 99.99 %)\n"
                      "|@@@@@@@#@@@@@@@@|\n"
                      "0     8 TiB 16 TiB\n");
}

static void a_dirty_disk_is_full_its_shorter_last_column_too(void **state)
{
        (void)state;
        start(10 * 512, 4);
        facts.column_bytes = 3 * 512;
        for (uint32_t i = 0; i < 4; i++)
                dirty[i] = i < 3 ? 1536 : 512;
        expect(true, "dirty: 5 KiB of 5 KiB (100.00 %)\n"
                     "|████|\n");
}

static void shares_are_rounded(void **state)
{
        (void)state;
        start(16 * TIB, 1);
        dirty[0] = 5 * GIB / 4;
        draw(true);
        assert_string_equal(line(0), "dirty: 1.25 GiB of 16 TiB (0.01 %)");
        dirty[0] = 16 * TIB / 3;
        draw(true);
        assert_string_equal(line(0), "dirty: 5.33 TiB of 16 TiB (33.33 %)");
        dirty[0] = 16 * TIB / 3 * 2;
        draw(true);
        assert_string_equal(line(0), "dirty: 10.7 TiB of 16 TiB (66.67 %)");
}

static void the_scale_gives_way_to_lack_of_room(void **state)
{
        (void)state;
        start(16 * TIB, 16);
        draw(true);
        assert_string_equal(line(2), "0     8 TiB 16 TiB");
        start(16 * TIB, 15);
        draw(true);
        assert_string_equal(line(2), "0          16 TiB");
        start(16 * TIB, 6);
        draw(true);
        assert_string_equal(line(2), "0 16 TiB");
        start(16 * TIB, 5);
        draw(true);
        assert_string_equal(line(2), "");
        start(16 * TIB, 1);
        expect(true, "dirty: 0 B of 16 TiB (0.00 %)\n| |\n");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
        static const uint64_t sizes[] = {512, 3 * KIB, 1000 * GIB, 16 * TIB, INT64_MAX};

        (void)state;
        for (uint32_t columns = 1; columns <= ABI_MAX_COLUMNS; columns++) {
                for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                        start(sizes[i], columns);
                        dirty[0] = 1;
                        draw(columns % 2);
                        assert_true(width(line(1)) <= columns + 2);
                        assert_true(!*line(2) || width(line(2)) == width(line(1)));
                }
        }
        assert_int_equal(width(line(1)), 514);
}

static void a_disk_of_fewer_bytes_than_columns_ends_where_it_ends(void **state)
{
        (void)state;
        start(512, 510);
        assert_int_equal(facts.column_bytes, 2);
        dirty[255] = 1;
        draw(true);
        assert_int_equal(width(line(1)), 256 + 2);
        assert_string_equal(strrchr(line(1), ' '), " ▄|");
        assert_int_equal(width(line(2)), 256 + 2);
}

static void a_disk_of_no_bytes_has_no_picture(void **state)
{
        (void)state;
        start(0, 78);
        expect(true, "dirty: 0 B of 0 B\n");
}

static void numbers_of_any_size_are_computed_with_exactly(void **state)
{
        (void)state;
        start(INT64_MAX, 1);
        dirty[0] = INT64_MAX;
        expect(false, "dirty: 8 EiB of 8 EiB (100.00 %)\n|@|\n");
        dirty[0]--;
        expect(false, "dirty: 8 EiB of 8 EiB (more than 99.99 %)\n|#|\n");
}

/* ---- what is refused --------------------------------------------------------------- */

static void impossible_numbers_are_refused(void **state)
{
        (void)state;
        start(100 * KIB, 10);
        dirty[3] = facts.dirty = 10 * KIB;
        assert_true(map_picture_is_sound(&facts, dirty));
        facts.dirty--; /* not their sum */
        assert_false(map_picture_is_sound(&facts, dirty));
        facts.dirty = ++dirty[3]; /* more than there is of a column */
        assert_false(map_picture_is_sound(&facts, dirty));
        start((UINT64_C(1) << 63) + 512, 10); /* too large a disk */
        assert_false(map_picture_is_sound(&facts, dirty));
}

static void columns_that_do_not_cover_the_disk_are_refused(void **state)
{
        (void)state;
        start(100 * KIB, 10);
        facts.column_bytes--;
        assert_false(map_picture_is_sound(&facts, dirty));
        facts.column_bytes = 0;
        assert_false(map_picture_is_sound(&facts, dirty));
        facts.column_bytes = UINT64_MAX / 2;
        assert_false(map_picture_is_sound(&facts, dirty));
        start(0, 10);
        assert_true(map_picture_is_sound(&facts, dirty));
        facts.column_bytes = 0;
        assert_false(map_picture_is_sound(&facts, dirty));
}

static void dirt_behind_the_disk_is_refused(void **state)
{
        (void)state;
        start(512, 510);
        dirty[256] = facts.dirty = 1;
        assert_false(map_picture_is_sound(&facts, dirty));
        start(5 * 512, 4);
        facts.column_bytes = 1024; /* the third column ends half-way */
        dirty[2] = facts.dirty = 512;
        assert_true(map_picture_is_sound(&facts, dirty));
        dirty[2] = facts.dirty = 513;
        assert_false(map_picture_is_sound(&facts, dirty));
}

/* Of which the sum is the disk's size again, once it has overflowed. */
static void a_sum_that_overflows_is_refused(void **state)
{
        (void)state;
        start(UINT64_C(1) << 62, 4);
        for (uint32_t i = 0; i < 4; i++)
                dirty[i] = (UINT64_C(1) << 62) + (UINT64_C(1) << 60);
        facts.dirty = UINT64_C(1) << 62;
        assert_false(map_picture_is_sound(&facts, dirty));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(it_is_as_wide_as_the_terminal_and_no_wider_than_a_report),
            cmocka_unit_test(every_step_has_a_character),
            cmocka_unit_test(a_clean_disk_is_blank),
            cmocka_unit_test(one_bit_of_a_huge_disk_is_seen),
            cmocka_unit_test(one_clean_bit_of_a_huge_disk_is_seen),
            cmocka_unit_test(a_dirty_disk_is_full_its_shorter_last_column_too),
            cmocka_unit_test(shares_are_rounded),
            cmocka_unit_test(the_scale_gives_way_to_lack_of_room),
            cmocka_unit_test(no_line_is_wider_than_the_terminal),
            cmocka_unit_test(a_disk_of_fewer_bytes_than_columns_ends_where_it_ends),
            cmocka_unit_test(a_disk_of_no_bytes_has_no_picture),
            cmocka_unit_test(numbers_of_any_size_are_computed_with_exactly),
            cmocka_unit_test(impossible_numbers_are_refused),
            cmocka_unit_test(columns_that_do_not_cover_the_disk_are_refused),
            cmocka_unit_test(dirt_behind_the_disk_is_refused),
            cmocka_unit_test(a_sum_that_overflows_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
