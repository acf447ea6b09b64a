/* SPDX-License-Identifier: MIT */
/* Both views of made-up reports; what is QEMU's in them is as qemu-img 7.2 prints it. */
#include "tests/unit/cli/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/cli/info_everything.h"
#include "tests/unit/cli/info_reports.h"

/* ---- QEMU's own ------------------------------------------------------------------- */

static void json_has_qemus_keys_in_qemus_order(void **state)
{
        (void)state;
        reports_start(&info_view_json);
        report_an_image_with_everything();
        expect_printed(everything_in_json);
}

static void human_text_has_qemus_lines(void **state)
{
        (void)state;
        reports_start(&info_view_human);
        report_an_image_with_everything();
        expect_printed(everything_for_humans);
}

static void an_image_of_version_2_has_three_members(void **state)
{
        struct abi_report_image facts = ordinary_image();

        (void)state;
        facts.version = 2;
        reports_start(&info_view_human);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        expect_printed("image: dir/x.qcow2\n"
                       "file format: qcow2\n"
                       "virtual size: 64 MiB (67108864 bytes)\n"
                       "disk size: 196 KiB\n"
                       "cluster_size: 65536\n"
                       "Format specific information:\n"
                       "    compat: 0.10\n"
                       "    compression type: zlib\n"
                       "    refcount bits: 16\n");
}

static void a_backing_file_is_where_its_name_says(void **state)
{
        struct abi_report_image facts = ordinary_image();

        (void)state;
        facts.flags = ABI_IMAGE_BACKING;
        reports_start(&info_view_json);
        assert_int_equal(report_image(facts, "nbd:x", NULL, NULL), 0);
        expect_part("    \"full-backing-filename\": \"nbd:x\",\n"
                    "    \"backing-filename\": \"nbd:x\",\n");
        reports_start(&info_view_human);
        assert_int_equal(report_image(facts, "/b", NULL, NULL), 0);
        expect_part("cluster_size: 65536\nbacking file: /b\nFormat specific");
        facts.flags |= ABI_IMAGE_BACKING_RELATIVE;
        reports_start(&info_view_human);
        info.filename = "x.qcow2";
        assert_int_equal(report_image(facts, "b", NULL, NULL), 0);
        expect_part("cluster_size: 65536\nbacking file: b\nFormat specific");
}

/* ---- strings ---------------------------------------------------------------------- */

/* Longer than a C string of it. */
#define ODD_NAME "a\xff\x1b[m\0b"

static void names_are_shown_as_qemu_shows_them_and_exactly(void **state)
{
        (void)state;
        start_ordinary(&info_view_json);
        assert_int_equal(report_bitmap(ordinary_bitmap(), ODD_NAME, sizeof ODD_NAME - 1),
                         0);
        expect_part("\"name\": \"a\\uFFFD\\u001B[m\",\n"
                    "                    \"granularity\": 65536,\n"
                    "                    \"instar-name-bytes\": \"61ff1b5b6d0062\",\n");
        start_ordinary(&info_view_human);
        assert_int_equal(report_bitmap(ordinary_bitmap(), ODD_NAME, sizeof ODD_NAME - 1),
                         0);
        expect_part("            name: a\xff\x1b[m\n"
                    "            granularity: 65536\n"
                    "            instar name bytes: 61ff1b5b6d0062\n");
}

static void a_name_that_json_gives_back_has_no_other_form(void **state)
{
        (void)state;
        start_ordinary(&info_view_json);
        assert_int_equal(report_bitmap(ordinary_bitmap(), "\"\xc3\xa9\n", 4), 0);
        expect_part("\"name\": \"\\\"\\u00E9\\n\",\n"
                    "                    \"granularity\": 65536,\n"
                    "                    \"instar-table-clusters\": 1\n");
}

static void no_string_steers_a_terminal(void **state)
{
        struct abi_report_image facts = ordinary_image();
        const struct abi_report_snapshot s = {.icount = UINT64_MAX};
        const char *printed;

        (void)state;
        facts.flags = ABI_IMAGE_BACKING | ABI_IMAGE_BACKING_RELATIVE |
                      ABI_IMAGE_BACKING_FORMAT | ABI_IMAGE_DATA_FILE_NAME;
        reports_start(&info_view_human);
        info.terminal = true;
        info.filename = "\x1b/x";
        assert_int_equal(report_image(facts, "\x1b", "\x1b", "\x1b"), 0);
        assert_int_equal(report_snapshot(s, "\x1b", "\x1b"), 0);
        assert_int_equal(report_bitmap(ordinary_bitmap(), "\x1b", 1), 0);
        assert_int_equal(
            report_damage((struct abi_report_damage){.code = ABI_BAD_TABLE}, "\x1b"), 0);
        printed = reports_finish();
        assert_null(strchr(printed, '\x1b'));
        assert_non_null(strstr(printed, "image: \\x1b/x\n"));
        assert_non_null(strstr(printed, "            name: \\x1b\n"));
}

static int set_time_zone(void **state)
{
        (void)state;
        return setenv("TZ", "UTC0", 1);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(json_has_qemus_keys_in_qemus_order),
            cmocka_unit_test(human_text_has_qemus_lines),
            cmocka_unit_test(an_image_of_version_2_has_three_members),
            cmocka_unit_test(a_backing_file_is_where_its_name_says),
            cmocka_unit_test(names_are_shown_as_qemu_shows_them_and_exactly),
            cmocka_unit_test(a_name_that_json_gives_back_has_no_other_form),
            cmocka_unit_test(no_string_steers_a_terminal),
        };

        return cmocka_run_group_tests(tests, set_time_zone, NULL);
}
