/* SPDX-License-Identifier: MIT */
/*
 * What the first and the last bitmap cost: how many writes and phases, and where
 * the record and the backing file name end up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/qcow2/extension_images.h"

/* ---- the first bitmap ---------------------------------------------------- */

static void first_bitmap_on_a_plain_image_is_one_write_beside_the_build(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_write(&edit.writes[0], 0, false, 515, 19); /* of the body */
        assert_write(&edit.writes[1], 1, true, 95, 417);  /* bit, type, length */
        assert_int_equal(view.record, 504);
        assert_int_equal(view.padding, 0);
        free(cluster.bytes);
}

static void first_bitmap_within_sector_0_is_one_write(void **state)
{
        struct test_layout layout = {.cluster_size = 4096, .header_length = 112};
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 1);
        assert_true(edit.writes[0].is_switch);
        free(cluster.bytes);
}

static void first_bitmap_goes_first_where_it_would_cross_the_end_of_sector_0(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.before[0].length = 368; /* END at 488 */
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_int_equal(phases(&edit), 1);
        assert_int_equal(view.record, 112);
        assert_int_equal(view.padding, 0);
        free(cluster.bytes);
}

static void first_bitmap_behind_sector_0_is_pushed_over_a_border_by_padding(void **state)
{
        struct test_layout layout = {
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_DATA_FILE, 880}},
        };
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        build(&layout, &cluster); /* END at 1000 */
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(view.record, 1016);
        assert_int_equal(view.padding, 16);
        assert_int_equal(phases(&edit), 2);
        free(cluster.bytes);
}

static void first_bitmap_on_an_overlay_takes_four_steps(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        build(&layout, &cluster); /* END at 520, name at 528 */
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 4);
        assert_write(&edit.writes[0], 0, false, 568, 40); /* the name's copy */
        assert_write(&edit.writes[1], 1, false, 15, 1);   /* its offset: 0x210 to 0x238 */
        assert_write(&edit.writes[2], 2, false, 520, 40); /* record and END */
        assert_write(&edit.writes[3], 3, true, 95, 1);
        free(cluster.bytes);
}

static void first_bitmap_on_an_overlay_within_sector_0_is_one_write(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.cluster_size = 4096;
        layout.before[1].type = 0;
        build(&layout, &cluster); /* END at 128, name at 136 */
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 1);
        assert_int_equal(view.name_offset, 168);
        free(cluster.bytes);
}

static void first_bitmap_needs_the_name_twice_beyond_sector_0(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.cluster_size = 4096;
        layout.before[1].type = 0;
        layout.name_length = 400;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_write(&edit.writes[0], 0, false, 536, 400);
        assert_int_equal(phases(&edit), 1);
        free(cluster.bytes);
}

static void first_bitmap_in_a_gap_before_the_name_leaves_the_name_alone(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.name_gap = 32;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_int_equal(view.name_offset, cluster.header.backing_offset);
        free(cluster.bytes);
}

/* QEMU: a cluster of 512 bytes takes the record beside a name of 340 bytes. */
static void first_bitmap_is_refused_only_when_the_cluster_is_full(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.cluster_size = 512;
        layout.before[1].type = 0;
        layout.name_length = 344;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(view.name_offset + view.name_length, 512);
        free(cluster.bytes);
        layout.name_length = 345;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_NO_SPACE);
        assert_int_equal(edit.count, 0);
        free(cluster.bytes);
}

static void first_bitmap_is_refused_where_the_name_cannot_be_there_twice(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.cluster_size = 1024;
        layout.name_length = 248; /* 528 + 248 + 248 = 1024 */
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        free(cluster.bytes);
        layout.name_length = 249;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_NO_SPACE);
        free(cluster.bytes);
}

static void an_area_without_end_behind_sector_0_cannot_grow(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        layout.no_end = true;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_NO_SPACE);
        free(cluster.bytes);
}

/* ---- no list any more ---------------------------------------------------- */

static void first_and_last_bitmap_give_back_the_same_bytes(void **state)
{
        (void)state;
        for (uint32_t length = 0; length <= 1100; length += 4) {
                struct test_layout layout = plain_image();
                struct test_cluster cluster, before;
                struct header_edit edit;
                struct test_view view;

                layout.before[0].length = length;
                build(&layout, &cluster);
                build(&layout, &before);
                edit_cluster(&cluster, &new_body, true, &edit, &view);
                reparse(&cluster, &view, &new_body);
                edit_cluster(&cluster, NULL, true, &edit, &view);
                assert_memory_equal(cluster.bytes, before.bytes, cluster.size);
                free(cluster.bytes);
                free(before.bytes);
        }
}

static void last_bitmap_on_a_plain_image_drops_the_record_by_the_switch(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_bitmaps = layout.valid = true;
        layout.body = old_body;
        build(&layout, &cluster);
        edit_cluster(&cluster, NULL, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_write(&edit.writes[0], 1, true, 95, 417);
        assert_write(&edit.writes[1], 2, false, 515, 19); /* what is left of the body */
        assert_int_equal(view.end, 504);
        free(cluster.bytes);
}

static void last_bitmap_on_an_overlay_clears_the_bit_first(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_bitmaps = layout.valid = true;
        layout.body = old_body;
        build(&layout, &cluster);
        edit_cluster(&cluster, NULL, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_write(&edit.writes[0], 1, true, 95, 1);
        assert_int_equal(edit.writes[1].phase, 2);
        assert_false(view.has_bitmaps);
        free(cluster.bytes);
}

static void last_bitmap_with_records_behind_it_shifts_them(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_name = false;
        layout.has_bitmaps = layout.valid = true;
        layout.body = old_body;
        layout.after[0] = (struct test_record){TEST_UNKNOWN, 700};
        build(&layout, &cluster);
        edit_cluster(&cluster, NULL, true, &edit, &view);
        assert_false(view.has_bitmaps);
        assert_int_equal(view.end, cluster.header.extensions_end - 32);
        free(cluster.bytes);
}

static void last_bitmap_leaves_an_empty_record_where_nothing_can_be_shifted(void **state)
{
        struct test_layout layout = overlay_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_bitmaps = layout.valid = true;
        layout.body = old_body;
        layout.after[0] = (struct test_record){TEST_UNKNOWN, 700};
        build(&layout, &cluster);
        edit_cluster(&cluster, NULL, true, &edit, &view);
        assert_true(view.has_bitmaps);
        assert_false(view.valid);
        for (unsigned i = 0; i < sizeof view.body; i++)
                assert_int_equal(view.body[i], 0);
        reparse(&cluster, &view, &(struct bitmaps_body){0, 0, 0});
        assert_int_equal(test_plan(&cluster, NULL, true, &edit), ABI_OK);
        assert_int_equal(edit.count, 0);
        free(cluster.bytes);
}

static void a_bit_without_a_record_is_cleared_or_refused(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        layout.valid = true;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit),
                         ABI_NO_AUTOCLEAR_EXTENSION);
        assert_int_equal(test_plan(&cluster, NULL, true, &edit), ABI_OK);
        assert_int_equal(edit.count, 1);
        assert_write(&edit.writes[0], 1, true, 95, 1);
        free(cluster.bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(first_bitmap_on_a_plain_image_is_one_write_beside_the_build),
            cmocka_unit_test(first_bitmap_within_sector_0_is_one_write),
            cmocka_unit_test(
                first_bitmap_goes_first_where_it_would_cross_the_end_of_sector_0),
            cmocka_unit_test(
                first_bitmap_behind_sector_0_is_pushed_over_a_border_by_padding),
            cmocka_unit_test(first_bitmap_on_an_overlay_takes_four_steps),
            cmocka_unit_test(first_bitmap_on_an_overlay_within_sector_0_is_one_write),
            cmocka_unit_test(first_bitmap_needs_the_name_twice_beyond_sector_0),
            cmocka_unit_test(first_bitmap_in_a_gap_before_the_name_leaves_the_name_alone),
            cmocka_unit_test(first_bitmap_is_refused_only_when_the_cluster_is_full),
            cmocka_unit_test(
                first_bitmap_is_refused_where_the_name_cannot_be_there_twice),
            cmocka_unit_test(an_area_without_end_behind_sector_0_cannot_grow),
            cmocka_unit_test(first_and_last_bitmap_give_back_the_same_bytes),
            cmocka_unit_test(last_bitmap_on_a_plain_image_drops_the_record_by_the_switch),
            cmocka_unit_test(last_bitmap_on_an_overlay_clears_the_bit_first),
            cmocka_unit_test(last_bitmap_with_records_behind_it_shifts_them),
            cmocka_unit_test(
                last_bitmap_leaves_an_empty_record_where_nothing_can_be_shifted),
            cmocka_unit_test(a_bit_without_a_record_is_cleared_or_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
