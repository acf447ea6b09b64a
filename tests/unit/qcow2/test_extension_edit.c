/* SPDX-License-Identifier: MIT */
/*
 * What a change of the list costs, where the record ends up, and what
 * extension_edit() refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guest/rt/arena.h"
#include "tests/unit/qcow2/extension_images.h"

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
        arena_release(0);
        assert_int_equal(extension_edit(&cluster.header, &bytes, &new_body, true, &edit),
                         ABI_OVERFLOW);
        free(cluster.bytes);
}

static void an_exhausted_arena_is_told(void **state)
{
        enum { WINDOW = 64 << 10 }; /* more than the plan needs */
        struct test_layout layout = crossing_image(16);
        struct test_cluster cluster;
        struct header_bytes bytes = {0};
        struct header_edit edit;
        unsigned refused = 0;
        uint64_t start;

        (void)state;
        build(&layout, &cluster);
        bytes.bytes = cluster.bytes;
        bytes.length = cluster.size;
        arena_release(0);
        assert_true(arena_left() > WINDOW);
        assert_non_null(arena_alloc(arena_left() - WINDOW));
        start = arena_mark();
        for (uint64_t left = 16;; left += 16) {
                enum abi_code code;

                arena_release(start);
                assert_non_null(arena_alloc(arena_left() - left));
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
            cmocka_unit_test(another_list_is_one_write_of_the_bytes_that_change),
            cmocka_unit_test(the_same_list_again_is_no_write),
            cmocka_unit_test(
                a_crossing_body_that_changes_in_one_sector_stays_where_it_is),
            cmocka_unit_test(a_crossing_body_is_reseated_at_the_next_border),
            cmocka_unit_test(padding_does_not_pile_up_when_qemu_and_we_edit_in_turn),
            cmocka_unit_test(a_stale_list_that_stays_stale_never_gets_the_bit),
            cmocka_unit_test(an_emptied_record_is_used_again),
            cmocka_unit_test(unknown_autoclear_bits_are_not_written_again),
            cmocka_unit_test(a_stale_list_out_of_nothing_is_refused),
            cmocka_unit_test(records_that_do_not_end_where_the_header_says_are_refused),
            cmocka_unit_test(too_few_bytes_of_the_header_cluster_are_refused),
            cmocka_unit_test(an_exhausted_arena_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
