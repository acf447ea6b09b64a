/* SPDX-License-Identifier: MIT */
/* The life of a journal's file, from its preparation to its end. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/found.h"
#include "journal/journal.h"
#include "scratch.h"
#include "system_calls.h"

struct fixture {
        struct scratch scratch;
        struct journal_place place;
        struct journal *journal;
        /* What fails, and with which errno; what was called. */
        enum system_call failing;
        int error;
        char calls[16]; /* u unlinkat, s fsync */
};

/* The next calls of getrandom(2): how they end; 0: as the kernel does. */
static struct {
        int error;
        size_t at_most;
        unsigned int calls;
} random_source;

ssize_t getrandom(void *bytes, size_t length, unsigned int flags)
{
        random_source.calls++;
        if (random_source.error) {
                errno = random_source.error;
                if (errno == EINTR) /* once */
                        random_source.error = 0;
                return -1;
        }
        if (random_source.at_most && length > random_source.at_most)
                length = random_source.at_most;
        return syscall(SYS_getrandom, bytes, length, flags);
}

static int before_call(void *context, const struct system_call_made *made)
{
        struct fixture *f = context;
        size_t length = strlen(f->calls);

        if (length < sizeof f->calls - 1) {
                if (made->call == CALL_UNLINKAT)
                        f->calls[length] = 'u';
                else if (made->call == CALL_FSYNC)
                        f->calls[length] = 's';
        }
        return f->error && made->call == f->failing ? f->error : 0;
}

static void fail_call(struct fixture *f, enum system_call call, int error)
{
        f->failing = call;
        f->error = error;
        memset(f->calls, 0, sizeof f->calls);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        memset(&random_source, 0, sizeof random_source);
        scratch_create(&f->scratch);
        scratch_place(&f->scratch, "j", &f->place);
        f->journal = scratch_journal(&f->place, "an edit");
        system_calls_before = before_call;
        system_calls_context = f;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        system_calls_before = NULL;
        journal_close(f->journal);
        journal_place_release(&f->place);
        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static bool is_there(const struct fixture *f)
{
        return access(f->place.path, F_OK) == 0;
}

static void one_transaction_at_a_time(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_int_equal(journal_begin(f->journal, 512, 512), -EBUSY);
        assert_true(is_there(f));
}

static void a_file_that_is_to_shrink_or_that_no_offset_reaches_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 1024, 1023), -EINVAL);
        assert_int_equal(journal_begin(f->journal, 1024, 1ull << 63), -EINVAL);
        assert_false(is_there(f));
        assert_int_equal(journal_begin(f->journal, 1024, INT64_MAX), 0);
}

/* It would be taken for that of an edit that was interrupted. */
static void a_journal_that_cannot_be_locked_is_not_left_behind(void **state)
{
        struct fixture *f = *state;

        fail_call(f, CALL_FCNTL, ENOLCK);
        assert_int_equal(journal_begin(f->journal, 512, 512), -ENOLCK);
        assert_false(is_there(f));
        fail_call(f, CALL_FCNTL, 0);
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_true(is_there(f));
}

static void a_file_that_is_there_already_is_not_touched(void **state)
{
        struct fixture *f = *state;
        struct stat status;

        close(scratch_file(&f->scratch, "j", 777));
        assert_int_equal(journal_begin(f->journal, 512, 512), -EEXIST);
        assert_int_equal(stat(f->place.path, &status), 0);
        assert_int_equal(status.st_size, 777);
}

static void each_transaction_has_an_identifier_of_its_own(void **state)
{
        struct fixture *f = *state;
        char first[33];

        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_int_equal(strlen(journal_transaction_id(f->journal)), 32);
        strcpy(first, journal_transaction_id(f->journal));
        assert_int_equal(journal_remove(f->journal), 0);
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_string_not_equal(journal_transaction_id(f->journal), first);
        assert_string_equal(journal_path(f->journal), f->place.path);
}

/* ---- random bits ---------------------------------------------------------------------
 */

static struct journal *prepare(struct fixture *f, const char *image, int *error)
{
        struct journal_identity identity;
        struct journal *journal;

        scratch_identity(&identity);
        *error = journal_prepare(&f->place, &identity, image, "asked", &journal);
        return journal;
}

static void random_bits_that_come_in_pieces_are_put_together(void **state)
{
        struct fixture *f = *state;
        char first[33];
        int error;

        for (int i = 0; i < 2; i++) {
                random_source.error = EINTR;
                random_source.at_most = 5;
                random_source.calls = 0;
                struct journal *journal = prepare(f, "/disk", &error);

                assert_int_equal(error, 0);
                assert_true(random_source.calls > 3);
                assert_int_equal(journal_begin(journal, 512, 512), 0);
                if (i)
                        assert_string_not_equal(journal_transaction_id(journal), first);
                strcpy(first, journal_transaction_id(journal));
                assert_int_equal(journal_remove(journal), 0);
                journal_close(journal);
        }
}

static void without_random_bits_there_is_no_journal(void **state)
{
        struct fixture *f = *state;
        int error;

        random_source.error = ENOSYS;
        assert_null(prepare(f, "/disk", &error));
        assert_int_equal(error, -ENOSYS);
}

/* ---- what is stored ------------------------------------------------------------------
 */

/* The path that a journal of the image at `path` has; NULL: none. */
static void expect_path(struct fixture *f, const char *path, const char *stored)
{
        const uint8_t old[JOURNAL_SECTOR] = {0};
        const uint64_t hash = 1;
        const struct journal_change change = {
            .step = 1, .length = sizeof old, .old_bytes = old, .new_hashes = &hash};
        struct journal_found *found;
        int error;
        struct journal *journal = prepare(f, path, &error);

        assert_int_equal(error, 0);
        assert_int_equal(journal_begin(journal, 512, 512), 0);
        assert_int_equal(journal_add(journal, &change), 0);
        assert_int_equal(journal_close_batch(journal), 0);
        journal_close(journal);
        assert_int_equal(journal_found_open(f->place.path, NULL, true, &found), 0);
        assert_int_equal(found->state, JOURNAL_HOT);
        assert_string_equal(found->asked, "asked");
        if (stored)
                assert_string_equal(found->image_path, stored);
        else
                assert_null(found->image_path);
        journal_found_close(found);
        assert_int_equal(unlink(f->place.path), 0);
}

/* Cut, it would lead to another file. */
static void a_path_is_stored_whole_or_not_at_all(void **state)
{
        struct fixture *f = *state;
        char path[JOURNAL_PATH_MAX + 2];

        memset(path, 'p', sizeof path);
        path[0] = '/';
        path[JOURNAL_PATH_MAX + 1] = '\0';
        expect_path(f, path, NULL);
        path[JOURNAL_PATH_MAX] = '\0';
        expect_path(f, path, path);
}

/* ---- removing ------------------------------------------------------------------------
 */

static void removed_durably_the_directory_is_synced_behind_the_unlink(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_remove_durably(f->journal), 0); /* nothing is begun */
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        fail_call(f, CALL_FSYNC, 0);
        assert_int_equal(journal_remove_durably(f->journal), 0);
        assert_string_equal(f->calls, "us");
        assert_false(is_there(f));
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
}

/* The transaction has not ended before: a second try goes on where the first one failed.
 */
static void a_removal_that_is_not_durable_can_be_tried_again(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        fail_call(f, CALL_UNLINKAT, EACCES);
        assert_int_equal(journal_remove_durably(f->journal), -EACCES);
        assert_true(is_there(f));
        fail_call(f, CALL_FSYNC, EIO);
        assert_int_equal(journal_remove_durably(f->journal), -EIO);
        assert_int_equal(journal_begin(f->journal, 512, 512), -EBUSY);
        fail_call(f, CALL_FSYNC, 0);
        assert_int_equal(journal_remove_durably(f->journal), 0);
        assert_string_equal(f->calls, "us");
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
}

static void a_journal_that_cannot_be_unlinked_is_told_and_closed(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_remove(f->journal), 0); /* nothing is begun */
        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        fail_call(f, CALL_UNLINKAT, EROFS);
        assert_int_equal(journal_remove(f->journal), -EROFS);
        assert_true(is_there(f));
        assert_int_equal(journal_begin(f->journal, 512, 512), -EEXIST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(one_transaction_at_a_time),
            TEST(a_file_that_is_to_shrink_or_that_no_offset_reaches_is_refused),
            TEST(a_journal_that_cannot_be_locked_is_not_left_behind),
            TEST(a_file_that_is_there_already_is_not_touched),
            TEST(each_transaction_has_an_identifier_of_its_own),
            TEST(random_bits_that_come_in_pieces_are_put_together),
            TEST(without_random_bits_there_is_no_journal),
            TEST(a_path_is_stored_whole_or_not_at_all),
            TEST(removed_durably_the_directory_is_synced_behind_the_unlink),
            TEST(a_removal_that_is_not_durable_can_be_tried_again),
            TEST(a_journal_that_cannot_be_unlinked_is_told_and_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
