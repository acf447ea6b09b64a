/* SPDX-License-Identifier: MIT */
/* Both views of made-up reports; what is QEMU's in them is as qemu-img 7.2 prints it. */
#include "tests/unit/cli/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/cli/journal_item.h"
#include "tests/unit/cli/info_reports.h"

static void expect(const char *expected)
{
        assert_string_equal(reports_finish(), expected);
}

static void expect_part(const char *expected)
{
        const char *printed = reports_finish();

        if (!strstr(printed, expected))
                fail_msg("expected \"%s\" in \"%s\"", expected, printed);
}

static void start_ordinary(const struct info_view *view)
{
        reports_start(view);
        assert_int_equal(report_image(ordinary_image(), NULL, NULL, NULL), 0);
}

/* ---- QEMU's own ------------------------------------------------------------------- */

static void report_an_image_with_everything(void)
{
        struct abi_report_image facts = ordinary_image();
        struct abi_report_bitmap bitmap = ordinary_bitmap();
        const struct abi_report_snapshot first = {.vm_state_size = 1536,
                                                  .vm_clock = 3723004005006,
                                                  .icount = 7,
                                                  .date_seconds = 1795643985,
                                                  .date_nanoseconds = 12};
        const struct abi_report_snapshot second = {.icount = UINT64_MAX};

        facts.flags = ABI_IMAGE_BACKING | ABI_IMAGE_BACKING_RELATIVE |
                      ABI_IMAGE_BACKING_FORMAT | ABI_IMAGE_DATA_FILE_NAME |
                      ABI_IMAGE_DATA_FILE | ABI_IMAGE_DATA_FILE_RAW | ABI_IMAGE_ENCRYPTED;
        facts.crypt_method = 2;
        facts.compression_type = 1;
        facts.incompatible = 0x1 | 0x2 | 0x10;
        facts.compatible = 1;
        facts.refcount_bits = 1;
        assert_int_equal(report_image(facts, "base", "raw", "d.raw"), 0);
        assert_int_equal(report_snapshot(first, "1", "s1"), 0);
        assert_int_equal(report_snapshot(second, "12345678901", "a long name of it"), 0);
        assert_int_equal(report_bitmap(bitmap, "b0", 2), 0);
        bitmap.flags = 3;
        assert_int_equal(report_bitmap(bitmap, "b1", 2), 0);
        bitmap.flags = 0;
        assert_int_equal(report_bitmap(bitmap, "b2", 2), 0);
}

static void json_has_qemus_keys_in_qemus_order(void **state)
{
        (void)state;
        reports_start(&info_view_json);
        report_an_image_with_everything();
        expect("{\n"
               "    \"backing-filename-format\": \"raw\",\n"
               "    \"snapshots\": [\n"
               "        {\n"
               "            \"icount\": 7,\n"
               "            \"vm-clock-nsec\": 4005006,\n"
               "            \"name\": \"s1\",\n"
               "            \"date-sec\": 1795643985,\n"
               "            \"date-nsec\": 12,\n"
               "            \"vm-clock-sec\": 3723,\n"
               "            \"id\": \"1\",\n"
               "            \"vm-state-size\": 1536\n"
               "        },\n"
               "        {\n"
               "            \"vm-clock-nsec\": 0,\n"
               "            \"name\": \"a long name of it\",\n"
               "            \"date-sec\": 0,\n"
               "            \"date-nsec\": 0,\n"
               "            \"vm-clock-sec\": 0,\n"
               "            \"id\": \"12345678901\",\n"
               "            \"vm-state-size\": 0\n"
               "        }\n"
               "    ],\n"
               "    \"virtual-size\": 67108864,\n"
               "    \"filename\": \"dir/x.qcow2\",\n"
               "    \"cluster-size\": 65536,\n"
               "    \"format\": \"qcow2\",\n"
               "    \"actual-size\": 200704,\n"
               "    \"format-specific\": {\n"
               "        \"type\": \"qcow2\",\n"
               "        \"data\": {\n"
               "            \"compat\": \"1.1\",\n"
               "            \"compression-type\": \"zstd\",\n"
               "            \"lazy-refcounts\": true,\n"
               "            \"bitmaps\": [\n"
               "                {\n"
               "                    \"flags\": [\n"
               "                        \"auto\"\n"
               "                    ],\n"
               "                    \"name\": \"b0\",\n"
               "                    \"granularity\": 65536,\n"
               "                    \"instar-table-clusters\": 1\n"
               "                },\n"
               "                {\n"
               "                    \"flags\": [\n"
               "                        \"in-use\",\n"
               "                        \"auto\"\n"
               "                    ],\n"
               "                    \"name\": \"b1\",\n"
               "                    \"granularity\": 65536,\n"
               "                    \"instar-table-clusters\": 1\n"
               "                },\n"
               "                {\n"
               "                    \"flags\": [\n"
               "                    ],\n"
               "                    \"name\": \"b2\",\n"
               "                    \"granularity\": 65536,\n"
               "                    \"instar-table-clusters\": 1\n"
               "                }\n"
               "            ],\n"
               "            \"refcount-bits\": 1,\n"
               "            \"data-file\": \"d.raw\",\n"
               "            \"encrypt\": {\n"
               "                \"format\": \"luks\"\n"
               "            },\n"
               "            \"data-file-raw\": true,\n"
               "            \"corrupt\": true,\n"
               "            \"extended-l2\": true\n"
               "        }\n"
               "    },\n"
               "    \"full-backing-filename\": \"dir/base\",\n"
               "    \"encrypted\": true,\n"
               "    \"backing-filename\": \"base\",\n"
               "    \"dirty-flag\": true\n"
               "}\n");
}

static void human_text_has_qemus_lines(void **state)
{
        (void)state;
        reports_start(&info_view_human);
        report_an_image_with_everything();
        expect("image: dir/x.qcow2\n"
               "file format: qcow2\n"
               "virtual size: 64 MiB (67108864 bytes)\n"
               "disk size: 196 KiB\n"
               "encrypted: yes\n"
               "cluster_size: 65536\n"
               "cleanly shut down: no\n"
               "backing file: base (actual path: dir/base)\n"
               "backing file format: raw\n"
               "Snapshot list:\n"
               "ID        TAG               VM SIZE                DATE     VM CLOCK     "
               "ICOUNT\n"
               "1         s1                1.5 KiB 2026-11-25 21:59:45 01:02:03.004     "
               "     7\n"
               "12345678901 a long name of it      0 B 1970-01-01 00:00:00 00:00:00.000  "
               "         \n"
               "Format specific information:\n"
               "    compat: 1.1\n"
               "    compression type: zstd\n"
               "    lazy refcounts: true\n"
               "    bitmaps:\n"
               "        [0]:\n"
               "            flags:\n"
               "                [0]: auto\n"
               "            name: b0\n"
               "            granularity: 65536\n"
               "            instar table clusters: 1\n"
               "        [1]:\n"
               "            flags:\n"
               "                [0]: in-use\n"
               "                [1]: auto\n"
               "            name: b1\n"
               "            granularity: 65536\n"
               "            instar table clusters: 1\n"
               "        [2]:\n"
               "            flags:\n"
               "            name: b2\n"
               "            granularity: 65536\n"
               "            instar table clusters: 1\n"
               "    refcount bits: 1\n"
               "    data file: d.raw\n"
               "    encrypt:\n"
               "        format: luks\n"
               "    data file raw: true\n"
               "    corrupt: true\n"
               "    extended l2: true\n");
}

static void an_image_of_version_2_has_three_members(void **state)
{
        struct abi_report_image facts = ordinary_image();

        (void)state;
        facts.version = 2;
        reports_start(&info_view_human);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        expect("image: dir/x.qcow2\n"
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

/* ---- ours ------------------------------------------------------------------------- */

static void counts_are_told_where_they_are_known(void **state)
{
        struct abi_report_bitmap bitmap = ordinary_bitmap();

        (void)state;
        start_ordinary(&info_view_human);
        bitmap.counted = ABI_BITMAP_CLUSTERS | ABI_BITMAP_DIRTY;
        bitmap.data_clusters = 2;
        bitmap.dirty_bytes = 16 << 20;
        assert_int_equal(report_bitmap(bitmap, "b", 1), 0);
        bitmap.counted = ABI_BITMAP_CLUSTERS;
        assert_int_equal(report_bitmap(bitmap, "c", 1), 0);
        expect_part("            name: b\n"
                    "            granularity: 65536\n"
                    "            instar table clusters: 1\n"
                    "            instar data clusters: 2\n"
                    "            instar bytes on disk: 196608\n"
                    "            instar dirty bytes: 16777216\n"
                    "            instar dirty fraction: 0.25\n"
                    "        [1]:\n"
                    "            flags:\n"
                    "                [0]: auto\n"
                    "            name: c\n"
                    "            granularity: 65536\n"
                    "            instar table clusters: 1\n"
                    "            instar data clusters: 2\n"
                    "            instar bytes on disk: 196608\n"
                    "    refcount bits: 16\n");
}

static void nothing_of_an_empty_disk_is_dirty(void **state)
{
        struct abi_report_image facts = ordinary_image();
        struct abi_report_bitmap bitmap = ordinary_bitmap();

        (void)state;
        facts.size = 0;
        bitmap.counted = ABI_BITMAP_DIRTY;
        reports_start(&info_view_json);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        assert_int_equal(report_bitmap(bitmap, "b", 1), 0);
        expect_part("\"instar-dirty-bytes\": 0,\n"
                    "                    \"instar-dirty-fraction\": 0\n");
}

static void what_is_odd_about_an_entry_is_told(void **state)
{
        struct abi_report_bitmap bitmap = ordinary_bitmap();

        (void)state;
        bitmap.granularity = 0;
        bitmap.extra_length = 9;
        bitmap.flags = 1 | 4 | 1u << 31;
        bitmap.type = 2;
        start_ordinary(&info_view_human);
        assert_int_equal(report_bitmap(bitmap, "b", 1), 0);
        expect_part("                [0]: in-use\n"
                    "            name: b\n"
                    "            instar table clusters: 1\n"
                    "            instar extra bytes: 9\n"
                    "            instar unknown flags: 2147483652\n"
                    "            instar type: 2\n"
                    "    refcount bits: 16\n");
}

static void bitmaps_that_were_invalidated_stand_at_the_end(void **state)
{
        struct abi_report_image facts = ordinary_image();

        (void)state;
        facts.flags = ABI_IMAGE_STALE;
        facts.autoclear = 0;
        reports_start(&info_view_json);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        assert_int_equal(report_bitmap(ordinary_bitmap(), "b", 1), 0);
        expect_part("            \"lazy-refcounts\": false,\n"
                    "            \"refcount-bits\": 16,\n"
                    "            \"corrupt\": false,\n"
                    "            \"extended-l2\": false,\n"
                    "            \"instar-stale-bitmaps\": [\n"
                    "                {\n"
                    "                    \"flags\": [\n"
                    "                        \"auto\"\n"
                    "                    ],\n"
                    "                    \"name\": \"b\",\n"
                    "                    \"granularity\": 65536,\n"
                    "                    \"instar-table-clusters\": 1\n"
                    "                }\n"
                    "            ]\n"
                    "        }\n");
}

/* ---- damage ----------------------------------------------------------------------- */

static void damage_is_told_with_its_place_its_bitmap_and_what_helps(void **state)
{
        const struct abi_report_damage table = {.code = ABI_BAD_TABLE,
                                                .detail = {0x30000, 2, 0x2}};
        const struct abi_report_damage header = {
            .code = ABI_BAD_HEADER, .detail = {ABI_HEADER_L1, 0x1234}, .more = 5};

        (void)state;
        start_ordinary(&info_view_json);
        assert_int_equal(report_bitmap(ordinary_bitmap(), "b", 1), 0);
        assert_int_equal(report_damage(table, "b\n"), 0);
        assert_int_equal(report_damage(header, ""), 0);
        expect_part(
            "            \"extended-l2\": false,\n"
            "            \"instar-damage\": [\n"
            "                {\n"
            "                    \"what\": \"malformed table of bitmap 'b\\\\x0a' at "
            "offset 0x30000: entry 2 is 0x2\",\n"
            "                    \"repairable\": true,\n"
            "                    \"repair\": \"the bitmap's bits are lost: instar check "
            "-r all IMAGE removes the bitmap, and with --reset-damaged marks all of it "
            "as "
            "dirty\",\n"
            "                    \"bitmap\": \"b\\n\"\n"
            "                },\n"
            "                {\n"
            "                    \"what\": \"malformed image header: the L1 table is "
            "unaligned, too large or outside the file; value 0x1234\",\n"
            "                    \"repairable\": true,\n"
            "                    \"repair\": \"instar check -r all IMAGE helps where the "
            "table is at the beginning of that cluster\",\n"
            "                    \"not-listed\": 5\n"
            "                }\n"
            "            ]\n"
            "        }\n");
}

static void damage_is_told_where_there_are_no_bitmaps(void **state)
{
        const struct abi_report_damage damage = {
            .code = ABI_BAD_DIRECTORY,
            .detail = {0x50000, 0, ABI_DIRECTORY_EXTRA},
        };

        (void)state;
        start_ordinary(&info_view_human);
        assert_int_equal(report_damage(damage, ""), 0);
        expect_part("    refcount bits: 16\n"
                    "    corrupt: false\n"
                    "    extended l2: false\n"
                    "    instar damage:\n"
                    "        [0]:\n"
                    "            what: malformed bitmap directory at offset 0x50000, "
                    "entry 0: it has extra data, ");
}

static void damage_of_bitmaps_that_qemu_ignores_needs_nothing_done(void **state)
{
        struct abi_report_damage damage = {.code = ABI_BAD_DIRECTORY,
                                           .detail = {0x50000, 0, ABI_DIRECTORY_FLAGS}};
        struct abi_report_image facts = ordinary_image();

        (void)state;
        start_ordinary(&info_view_human);
        assert_int_equal(report_damage(damage, "b"), 0);
        expect_part("instar check -r all IMAGE makes it open again");
        facts.autoclear = 2;
        reports_start(&info_view_human);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        assert_int_equal(report_damage(damage, "b"), 0);
        expect_part("repair: nothing has to be done: ");
        /* An extension that cannot be passed keeps QEMU from opening it all the same. */
        damage = (struct abi_report_damage){
            .code = ABI_BAD_EXTENSION, .detail = {504, 0x23852875, ABI_EXTENSION_LENGTH}};
        reports_start(&info_view_human);
        assert_int_equal(report_image(facts, NULL, NULL, NULL), 0);
        assert_int_equal(report_damage(damage, ""), 0);
        expect_part("repair: qemu cannot open the image, though its data is intact");
}

/* ---- interrupted edits --------------------------------------------------------------
 */

static char pending_path[] = "/j\n";

static struct recovery journals = {
    .count = 2,
    .items = {{.state = RECOVERY_WOULD_UNDO, .path = pending_path},
              {.state = RECOVERY_DAMAGED, .path = pending_path, .reason = "checksum"}},
};

static void a_journal_that_waits_is_told_in_checks_words(void **state)
{
        (void)state;
        start_ordinary(&info_view_human);
        info.journals = &journals;
        expect_part("    extended l2: false\n"
                    "instar pending: an interrupted edit is pending: it would be undone: "
                    "/j\\x0a\n"
                    "instar pending: the undo journal /j\\x0a is damaged: checksum\n");
}

static void a_journal_that_waits_is_told_in_checks_json(void **state)
{
        (void)state;
        start_ordinary(&info_view_json);
        info.pending = json_array();
        json_array_append_new(info.pending, journal_item_json(&journals.items[0]));
        expect_part("    \"dirty-flag\": false,\n"
                    "    \"instar-pending\": [\n"
                    "        {\n"
                    "            \"journal\": \"/j\\\\x0a\",\n"
                    "            \"state\": \"pending-undo\"\n"
                    "        }\n"
                    "    ]\n"
                    "}\n");
        json_decref(info.pending);
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
            cmocka_unit_test(counts_are_told_where_they_are_known),
            cmocka_unit_test(nothing_of_an_empty_disk_is_dirty),
            cmocka_unit_test(what_is_odd_about_an_entry_is_told),
            cmocka_unit_test(bitmaps_that_were_invalidated_stand_at_the_end),
            cmocka_unit_test(damage_is_told_with_its_place_its_bitmap_and_what_helps),
            cmocka_unit_test(damage_is_told_where_there_are_no_bitmaps),
            cmocka_unit_test(damage_of_bitmaps_that_qemu_ignores_needs_nothing_done),
            cmocka_unit_test(a_journal_that_waits_is_told_in_checks_words),
            cmocka_unit_test(a_journal_that_waits_is_told_in_checks_json),
        };

        return cmocka_run_group_tests(tests, set_time_zone, NULL);
}
