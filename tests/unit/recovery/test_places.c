/* SPDX-License-Identifier: MIT */
/* The places where journals of an image may lie, and the one that only the index knows.
 */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "left_search.h"

static void nothing_is_found_where_there_is_nothing(void **state)
{
        struct left_search *f = *state;

        left_search_begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, left_search_places(f)), 0);
        assert_int_equal(f->recovery.count, 0);
        assert_null(recovery_stop(&f->recovery));
}

static void every_place_is_looked_at(void **state)
{
        struct left_search *f = *state;
        struct journal_search all = left_search_places(f);
        const char *named = scratch_path(&f->left.scratch, "named");
        char in_named[4400];

        assert_int_equal(mkdir(named, 0700), 0);
        snprintf(in_named, sizeof in_named, "%s/%s", named,
                 strrchr(f->in_state, '/') + 1);
        left_edit_leave(&f->left, f->left.journal, &f->left.identity, LEFT_ABORTED);
        left_edit_leave(&f->left, in_named, &f->left.identity, LEFT_EMPTY);
        left_edit_leave(&f->left, f->in_state, &f->left.identity, LEFT_APPLIED);
        all.journal_directory = named;
        left_search_begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, all), 0);
        assert_int_equal(f->recovery.count, 3);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_REMOVED);
        assert_string_equal(f->recovery.items[1].path, in_named);
        assert_int_equal(f->recovery.items[1].state, RECOVERY_REMOVED);
        assert_string_equal(f->recovery.items[2].path, f->in_state);
        assert_int_equal(f->recovery.items[2].state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        left_search_begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, all), 0);
        assert_int_equal(f->recovery.count, 0);
}

static void one_that_stops_ends_the_search(void **state)
{
        struct left_search *f = *state;

        left_search_leave(f, LEFT_APPLIED);
        patch_at(f->left.journal, 1100);
        left_edit_leave(&f->left, f->in_state, &f->left.identity, LEFT_ABORTED);
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_DAMAGED);
        assert_true(is_there(f->in_state));
}

/* The index, too, names the path beside the image. */
static void one_path_is_dealt_with_once(void **state)
{
        struct left_search *f = *state;

        left_search_leave(f, LEFT_APPLIED);
        left_search(f, true, false);
        assert_int_equal(recovery_at_index(&f->recovery, f->left.journal), 0);
        assert_int_equal(f->recovery.count, 1);
}

static void a_journal_that_only_the_index_knows_is_recovered(void **state)
{
        struct left_search *f = *state;
        const char *path = scratch_path(&f->left.scratch, "elsewhere");

        left_edit_leave(&f->left, path, &f->left.identity, LEFT_APPLIED);
        left_search_begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, left_search_places(f)), 0);
        assert_int_equal(f->recovery.count, 0);
        assert_int_equal(recovery_at_index(&f->recovery, path), 0);
        assert_int_equal(f->recovery.count, 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        assert_false(is_there(path));
}

static void expect_left_alone(struct left_search *f, const char *path)
{
        char *before = left_edit_snapshot(&f->left);
        char *after;

        for (int discard = 0; discard < 2; discard++) {
                left_search_begin(f, false, discard);
                assert_int_equal(recovery_at_index(&f->recovery, path), 0);
                assert_int_equal(f->recovery.count, 0);
        }
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
}

/* In whatever state it is: it is in nobody's way. */
static void another_files_journal_where_the_index_says_is_left_alone(void **state)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct left_search *f = *state;
        const char *path = scratch_path(&f->left.scratch, "elsewhere");
        int fd;

        for (int at = LEFT_EMPTY; at <= LEFT_ABORTED; at++) {
                left_edit_leave(&f->left, path, &f->other, (enum left_at)at);
                expect_left_alone(f, path);
                assert_int_equal(unlink(path), 0);
        }
        left_edit_leave(&f->left, path, &f->other, LEFT_APPLIED);
        assert_int_equal(chmod(path, 0622), 0);
        expect_left_alone(f, path);
        assert_int_equal(chmod(path, 0600), 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect_left_alone(f, path);
        close(fd);
        patch_at(path, 1100);
        expect_left_alone(f, path);
        patch_at(path, 100);
        expect_left_alone(f, path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        expect_left_alone(f, path);
}

/* Where the header says that it is ours, it counts also if it cannot be used. */
static void our_own_journal_where_the_index_says_stops(void **state)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct left_search *f = *state;
        const char *path = scratch_path(&f->left.scratch, "elsewhere");
        int fd;

        left_edit_leave(&f->left, path, &f->left.identity, LEFT_APPLIED);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        left_search_begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_BUSY);
        close(fd);
        patch_at(path, 1100);
        left_search_begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_DAMAGED);
        assert_int_equal(chmod(path, 0622), 0);
        left_search_begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_UNTRUSTED);
}

static void a_path_of_the_index_that_leads_nowhere_is_passed_over(void **state)
{
        struct left_search *f = *state;

        left_search_begin(f, false, false);
        assert_int_equal(
            recovery_at_index(&f->recovery, scratch_path(&f->left.scratch, "gone")), 0);
        assert_int_equal(
            recovery_at_index(&f->recovery, scratch_path(&f->left.scratch, "gone/gone")),
            0);
        assert_int_equal(
            recovery_at_index(&f->recovery, scratch_path(&f->left.scratch, "disk/gone")),
            0);
        assert_int_equal(f->recovery.count, 0);
}

static void more_journals_than_there_is_room_for_are_an_error(void **state)
{
        struct left_search *f = *state;
        char path[4400];

        left_search_begin(f, true, false);
        for (unsigned int i = 0; i <= RECOVERY_ITEMS_MAX; i++) {
                snprintf(path, sizeof path, "%s/j%u", f->left.scratch.path, i);
                left_edit_leave(&f->left, path, &f->left.identity, LEFT_DONE);
                assert_int_equal(recovery_at_index(&f->recovery, path),
                                 i == RECOVERY_ITEMS_MAX ? -E2BIG : 0);
        }
        assert_int_equal(f->recovery.count, RECOVERY_ITEMS_MAX);
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, left_search_set_up, left_search_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(nothing_is_found_where_there_is_nothing),
            TEST(every_place_is_looked_at),
            TEST(one_that_stops_ends_the_search),
            TEST(one_path_is_dealt_with_once),
            TEST(a_journal_that_only_the_index_knows_is_recovered),
            TEST(another_files_journal_where_the_index_says_is_left_alone),
            TEST(our_own_journal_where_the_index_says_stops),
            TEST(a_path_of_the_index_that_leads_nowhere_is_passed_over),
            TEST(more_journals_than_there_is_room_for_are_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
