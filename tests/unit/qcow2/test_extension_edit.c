/* SPDX-License-Identifier: MIT */
/*
 * What extension_edit() costs where it matters, and what it refuses: how many
 * writes and phases a transition takes, and where the record ends up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest/rt/arena.h"
#include "tests/unit/qcow2/extension_crash.h"

static const struct bitmaps_body old_body = {3, 0x160, 5ull << 16};
static const struct bitmaps_body new_body = {4, 0x1d8, 9ull << 16};

/* What `qemu-img create` writes: 64 KiB clusters, a feature table behind the header. */
static struct test_layout plain_image(void)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_FEATURE_TABLE, 384}},
        };
}

/* The same with `-b NAME -F qcow2`. */
static struct test_layout overlay_image(void)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_BACKING_FORMAT, 5}, {TEST_FEATURE_TABLE, 384}},
            .has_name = true,
            .name_length = 40,
        };
}

/* An image with a list whose body crosses from sector 1 to sector 2. */
static struct test_layout crossing_image(uint32_t bytes_in_front)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_DATA_FILE, 1024 - bytes_in_front - 8 - 120},
                       {TEST_UNKNOWN, 0}},
            .has_bitmaps = true,
            .valid = true,
            .body = old_body,
        };
}

static void build(const struct test_layout *layout, struct test_cluster *cluster)
{
        assert_true(test_cluster_build(layout, cluster));
}

/* Plan, go through all crash states, and leave the cluster as it is in the end. */
static void edit_cluster(struct test_cluster *cluster, const struct bitmaps_body *wanted,
                         bool publish, struct header_edit *edit, struct test_view *view)
{
        assert_int_equal(test_plan(cluster, wanted, publish, edit), ABI_OK);
        test_crash_states(cluster, edit, wanted, wanted && publish, view);
}

static uint32_t phases(const struct header_edit *edit)
{
        return edit->writes[edit->count - 1].phase;
}

static void assert_write(const struct header_write *write, uint32_t phase, bool is_switch,
                         uint32_t offset, uint32_t length)
{
        assert_int_equal(write->phase, phase);
        assert_int_equal(write->is_switch, is_switch);
        assert_int_equal(write->offset, offset);
        assert_int_equal(write->length, length);
}

/* Make `cluster->header` say what its bytes say, as far as an edit changes it. */
static void reparse(struct test_cluster *cluster, const struct test_view *view,
                    const struct bitmaps_body *body)
{
        struct header *header = &cluster->header;

        header->extensions_end = view->end;
        if (header->backing_offset) {
                header->backing_offset = view->name_offset;
                header->extensions_limit = view->name_offset;
        }
        header->autoclear = view->other_autoclear | view->valid;
        header->has_bitmaps = view->has_bitmaps;
        header->bitmaps_record = view->record;
        if (body) {
                header->bitmap_count = body->count;
                header->directory_size = body->directory_size;
                header->directory_offset = body->directory_offset;
        }
}

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

static void
first_bitmap_with_a_name_longer_than_sector_0_needs_the_name_twice(void **state)
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

/* ---- another list -------------------------------------------------------- */

static void another_list_is_one_write_of_the_bytes_that_change(void **state)
{
        struct test_layout layout = plain_image();
        struct bitmaps_body body = {4, old_body.directory_size + 1,
                                    old_body.directory_offset};
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_bitmaps = layout.valid = true;
        layout.body = old_body;
        build(&layout, &cluster);
        edit_cluster(&cluster, &body, true, &edit, &view);
        assert_int_equal(edit.count, 1);
        assert_write(&edit.writes[0], 1, true, 512 + 3, 13);
        free(cluster.bytes);
}

static void the_same_list_again_is_no_write(void **state)
{
        struct test_layout layout = crossing_image(16);
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &old_body, true, &edit), ABI_OK);
        assert_int_equal(edit.count, 0);
        free(cluster.bytes);
}

static void a_crossing_body_that_changes_in_one_sector_stays_where_it_is(void **state)
{
        struct bitmaps_body body = old_body;
        struct test_layout layout = crossing_image(24);
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        build(&layout, &cluster);
        assert_int_equal(cluster.header.bitmaps_record, 1000);
        body.directory_offset += 1 << 16;
        edit_cluster(&cluster, &body, true, &edit, &view);
        assert_int_equal(edit.count, 1);
        body.count++;
        body.directory_size += 64;
        edit_cluster(&cluster, &body, true, &edit, &view);
        assert_int_equal(edit.count, 1);
        assert_int_equal(view.record, 1000);
        free(cluster.bytes);
}

static void a_crossing_body_is_reseated_at_the_next_border(void **state)
{
        (void)state;
        for (uint32_t in_front = 16; in_front <= 24; in_front += 8) {
                struct test_layout layout = crossing_image(in_front);
                struct test_cluster cluster;
                struct header_edit edit;
                struct test_view view;

                layout.after[0] = (struct test_record){TEST_UNKNOWN, 100};
                build(&layout, &cluster);
                assert_int_equal(cluster.header.bitmaps_record, 1024 - in_front);
                edit_cluster(&cluster, &new_body, true, &edit, &view);
                assert_true(edit.count > 1);
                assert_int_equal(view.record, 1024 - 8);
                assert_int_equal(view.padding, in_front - 8);
                reparse(&cluster, &view, &new_body);
                edit_cluster(&cluster, &old_body, true, &edit, &view);
                assert_int_equal(edit.count, 1);
                free(cluster.bytes);
        }
}

/* QEMU puts the record back to its own place, and keeps our padding behind it. */
static void padding_does_not_pile_up_when_qemu_and_we_edit_in_turn(void **state)
{
        struct test_layout layout = crossing_image(24);

        (void)state;
        layout.after[0] = (struct test_record){TEST_UNKNOWN, 100};
        for (unsigned round = 0; round < 3; round++) {
                struct test_cluster cluster;
                struct header_edit edit;
                struct test_view view;

                build(&layout, &cluster);
                edit_cluster(&cluster, &new_body, true, &edit, &view);
                assert_int_equal(view.padding, 16);
                layout.after[1] =
                    (struct test_record){QCOW2_EXTENSION_PADDING, view.padding - 8};
                free(cluster.bytes);
        }
}

static void a_stale_list_that_stays_stale_never_gets_the_bit(void **state)
{
        struct test_layout layout = crossing_image(16);
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.valid = false;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, false, &edit, &view);
        assert_false(view.valid);
        free(cluster.bytes);
}

static void an_emptied_record_is_used_again(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view view;

        (void)state;
        layout.has_bitmaps = true;
        build(&layout, &cluster);
        edit_cluster(&cluster, &new_body, true, &edit, &view);
        assert_int_equal(edit.count, 2);
        assert_write(&edit.writes[0], 1, false, 515, 19); /* not in the build */
        assert_write(&edit.writes[1], 2, true, 95, 1);
        assert_int_equal(view.record, 504);
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

/* ---- the caller's side --------------------------------------------------- */

static void unknown_autoclear_bits_are_not_written_again(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        layout.other_autoclear = 2;
        build(&layout, &cluster);
        cluster.bytes[95] = 0xf2; /* the header says that only bit 1 will be left */
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_OK);
        assert_int_equal(edit.writes[1].offset, 95);
        assert_int_equal(edit.writes[1].bytes[0], 3);
        free(cluster.bytes);
}

static void a_stale_list_out_of_nothing_is_refused(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        build(&layout, &cluster);
        assert_int_equal(test_plan(&cluster, &new_body, false, &edit), ABI_BAD_ACTION);
        free(cluster.bytes);
}

static void records_that_do_not_end_where_the_header_says_are_refused(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_edit edit;

        (void)state;
        layout.has_bitmaps = true;
        build(&layout, &cluster);
        cluster.header.extensions_end -= 8;
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_BAD_EXTENSION);
        cluster.header.extensions_end += 8;
        cluster.header.bitmaps_record -= 8;
        assert_int_equal(test_plan(&cluster, &new_body, true, &edit), ABI_BAD_EXTENSION);
        free(cluster.bytes);
}

static void too_few_bytes_of_the_header_cluster_are_refused(void **state)
{
        struct test_layout layout = plain_image();
        struct test_cluster cluster;
        struct header_bytes bytes = {0};
        struct header_edit edit;

        (void)state;
        build(&layout, &cluster);
        bytes.bytes = cluster.bytes;
        bytes.length = extension_edit_reach(&cluster.header) - 1;
        arena_reset();
        assert_int_equal(extension_edit(&cluster.header, &bytes, &new_body, true, &edit),
                         ABI_OVERFLOW);
        free(cluster.bytes);
}

static void an_exhausted_arena_is_told(void **state)
{
        struct test_layout layout = crossing_image(16);
        struct test_cluster cluster;
        struct header_bytes bytes = {0};
        struct header_edit edit;
        unsigned refused = 0;

        (void)state;
        build(&layout, &cluster);
        bytes.bytes = cluster.bytes;
        bytes.length = cluster.size;
        for (uint64_t left = 16;; left += 16) {
                enum abi_code code;

                arena_reset();
                assert_non_null(arena_alloc((arena_left() & ~15ull) - left));
                code = extension_edit(&cluster.header, &bytes, &new_body, true, &edit);
                if (code == ABI_OK)
                        break;
                assert_int_equal(code, ABI_TOO_LARGE);
                assert_int_equal(edit.count, 0);
                refused++;
        }
        assert_true(refused > 100);
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
            cmocka_unit_test(
                first_bitmap_with_a_name_longer_than_sector_0_needs_the_name_twice),
            cmocka_unit_test(first_bitmap_in_a_gap_before_the_name_leaves_the_name_alone),
            cmocka_unit_test(first_bitmap_is_refused_only_when_the_cluster_is_full),
            cmocka_unit_test(
                first_bitmap_is_refused_where_the_name_cannot_be_there_twice),
            cmocka_unit_test(an_area_without_end_behind_sector_0_cannot_grow),
            cmocka_unit_test(another_list_is_one_write_of_the_bytes_that_change),
            cmocka_unit_test(the_same_list_again_is_no_write),
            cmocka_unit_test(
                a_crossing_body_that_changes_in_one_sector_stays_where_it_is),
            cmocka_unit_test(a_crossing_body_is_reseated_at_the_next_border),
            cmocka_unit_test(padding_does_not_pile_up_when_qemu_and_we_edit_in_turn),
            cmocka_unit_test(a_stale_list_that_stays_stale_never_gets_the_bit),
            cmocka_unit_test(an_emptied_record_is_used_again),
            cmocka_unit_test(first_and_last_bitmap_give_back_the_same_bytes),
            cmocka_unit_test(last_bitmap_on_a_plain_image_drops_the_record_by_the_switch),
            cmocka_unit_test(last_bitmap_on_an_overlay_clears_the_bit_first),
            cmocka_unit_test(last_bitmap_with_records_behind_it_shifts_them),
            cmocka_unit_test(
                last_bitmap_leaves_an_empty_record_where_nothing_can_be_shifted),
            cmocka_unit_test(a_bit_without_a_record_is_cleared_or_refused),
            cmocka_unit_test(unknown_autoclear_bits_are_not_written_again),
            cmocka_unit_test(a_stale_list_out_of_nothing_is_refused),
            cmocka_unit_test(records_that_do_not_end_where_the_header_says_are_refused),
            cmocka_unit_test(too_few_bytes_of_the_header_cluster_are_refused),
            cmocka_unit_test(an_exhausted_arena_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
