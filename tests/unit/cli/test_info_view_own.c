/* SPDX-License-Identifier: MIT */
/* What both views tell that qemu-img does not: counts, damage, interrupted edits. */
#include "tests/unit/cli/cmocka_all.h"

#include "host/cli/journal_item.h"
#include "tests/unit/cli/info_reports.h"

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
                    "            \"journal\": \"/j\\n\",\n"
                    "            \"state\": \"pending-undo\"\n"
                    "        }\n"
                    "    ]\n"
                    "}\n");
        json_decref(info.pending);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
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

        return cmocka_run_group_tests(tests, NULL, NULL);
}
