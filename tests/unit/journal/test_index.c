/* SPDX-License-Identifier: MIT */
/* What the index has after an edit, and what is reported where it cannot be written. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index_run.h"

static void an_entry_that_was_waited_for_is_there(void **state)
{
        struct index_run *f = *state;
        struct listing listing;
        struct stat status;

        assert_int_equal(index_run(f, "/images/disk.qcow2" JOURNAL_SUFFIX), 0);
        index_list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_true(is_listed(&listing, f->last));
        assert_int_equal(stat(scratch_path(&f->scratch, "state/index"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(stat(f->data, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
}

static void one_run_may_put_several_entries(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index;
        struct listing listing;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        for (int i = 0; i < 5; i++) {
                char path[32];

                snprintf(path, sizeof path, "/nowhere/j%d", i);
                assert_int_equal(index_put(f, index, path), 0);
        }
        assert_int_equal(journal_index_wait(index), 0); /* nothing outstanding */
        journal_index_stop(index);
        wait_for_children();
        index_list(f, &listing);
        assert_int_equal(listing.count, 5);
}

/* The next edit begins while the child of the one before is still on its way out. */
static void runs_that_overlap_do_not_disturb_each_other(void **state)
{
        struct index_run *f = *state;
        struct listing listing;

        for (int i = 0; i < 300; i++) {
                struct journal_index *index;
                int error;

                assert_int_equal(journal_index_start(f->state, &index), 0);
                error = index_put(f, index, "/nowhere/j");
                journal_index_stop(index);
                assert_int_equal(error, 0);
        }
        wait_for_children();
        index_list(f, &listing);
        assert_true(is_listed(&listing, f->last));
        assert_int_not_equal(
            access(scratch_path(&f->scratch, "state/index/damaged.mdb"), F_OK), 0);
}

static void a_run_without_an_entry_leaves_no_process(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_int_equal(journal_index_wait(index), 0);
        journal_index_stop(index);
        wait_for_children();
}

static void finished_entries_go_with_the_next_edit(void **state)
{
        struct index_run *f = *state;
        const char *pending = scratch_path(&f->scratch, "pending");
        const char *finished = scratch_path(&f->scratch, "finished");
        char first[33];
        char second[33];
        struct listing listing;

        close(scratch_file(&f->scratch, "pending", 10));
        close(scratch_file(&f->scratch, "finished", 10));
        assert_int_equal(index_run(f, pending), 0);
        strcpy(first, f->last);
        assert_int_equal(index_run(f, finished), 0);
        strcpy(second, f->last);
        assert_int_equal(unlink(finished), 0);
        assert_int_equal(index_run(f, finished), 0);
        index_list(f, &listing);
        assert_int_equal(listing.count, 2);
        assert_true(is_listed(&listing, first));
        assert_false(is_listed(&listing, second));
        assert_true(is_listed(&listing, f->last));
}

/* The next edit of an image has made its own journal before the index is looked at. */
static void entries_of_a_journal_that_was_made_anew_are_replaced(void **state)
{
        struct index_run *f = *state;
        const char *journal = scratch_path(&f->scratch, "j");
        struct journal_index *index;
        struct listing listing;

        close(scratch_file(&f->scratch, "j", 10));
        for (int i = 0; i < 3; i++)
                assert_int_equal(index_run(f, journal), 0);
        index_list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(index_put(f, index, journal), 0);
        journal_index_stop(index);
        wait_for_children();
        index_list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_true(is_listed(&listing, f->last));
}

/* A journal that cannot be seen because its file system is not mounted is not finished.
 */
static void entries_of_a_directory_that_is_away_stay(void **state)
{
        struct index_run *f = *state;
        const char *directory = scratch_path(&f->scratch, "mounted");
        const char *away = scratch_path(&f->scratch, "away");
        const char *journal = scratch_path(&f->scratch, "mounted/j");
        char first[33];
        struct listing listing;

        assert_int_equal(mkdir(directory, 0700), 0);
        close(scratch_file(&f->scratch, "mounted/j", 10));
        assert_int_equal(index_run(f, journal), 0);
        strcpy(first, f->last);
        assert_int_equal(rename(directory, away), 0);
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        index_list(f, &listing);
        assert_true(is_listed(&listing, first));
        assert_int_equal(mkdir(directory, 0700), 0); /* an empty mount point */
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        index_list(f, &listing);
        assert_true(is_listed(&listing, first));
        assert_int_equal(rmdir(directory), 0);
        assert_int_equal(rename(away, directory), 0);
        assert_int_equal(unlink(journal), 0);
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        index_list(f, &listing);
        assert_false(is_listed(&listing, first));
}

static void no_state_directory_means_no_index_and_no_error(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = (struct journal_index *)f;

        assert_int_equal(journal_index_start(NULL, &index), 0);
        assert_int_equal(index_put(f, index, "/nowhere/j"), 0);
        journal_index_stop(index);
}

static void a_directory_that_is_not_private_is_reported(void **state)
{
        struct index_run *f = *state;

        assert_int_equal(mkdir(f->state, 0755), 0);
        assert_int_equal(chmod(f->state, 0755), 0);
        assert_int_equal(index_run(f, "/nowhere/j"), -EPERM);
}

static void a_place_that_cannot_be_written_is_reported(void **state)
{
        struct index_run *f = *state;

        close(scratch_file(&f->scratch, "state", 0));
        assert_int_equal(index_run(f, "/nowhere/j"), -ENOTDIR);
}

static void an_entry_that_is_too_large_is_reported(void **state)
{
        struct index_run *f = *state;
        char *path = malloc(40001);

        memset(path, 'p', 40000);
        path[40000] = '\0';
        assert_int_equal(index_run(f, path), -ENAMETOOLONG);
        free(path);
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, index_run_set_up, index_run_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_entry_that_was_waited_for_is_there),
            TEST(one_run_may_put_several_entries),
            TEST(runs_that_overlap_do_not_disturb_each_other),
            TEST(a_run_without_an_entry_leaves_no_process),
            TEST(finished_entries_go_with_the_next_edit),
            TEST(entries_of_a_journal_that_was_made_anew_are_replaced),
            TEST(entries_of_a_directory_that_is_away_stay),
            TEST(no_state_directory_means_no_index_and_no_error),
            TEST(a_directory_that_is_not_private_is_reported),
            TEST(a_place_that_cannot_be_written_is_reported),
            TEST(an_entry_that_is_too_large_is_reported),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
