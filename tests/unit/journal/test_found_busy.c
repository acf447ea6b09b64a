/* SPDX-License-Identifier: MIT */
/* A journal that somebody else works with, or that cannot be locked or read. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "found_journal.h"
#include "system_calls.h"

static int lock_journal(struct left_behind *left, short type)
{
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
        int fd = scratch_open(&left->place);

        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        return fd;
}

static void a_journal_whose_writer_lives_is_busy(void **state)
{
        struct left_behind *left = *state;
        int fd;

        left_behind_leave(left, LEFT_AT_BATCH);
        fd = lock_journal(left, F_WRLCK);
        expect_untouched(left, JOURNAL_BUSY);
        close(fd);
        expect_untouched(left, JOURNAL_HOT);
}

static void one_who_reads_is_in_nobodys_way(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;
        struct journal_found *reading;

        left_behind_leave(left, LEFT_AT_BATCH);
        reading = open_found(left, true);
        found = open_found(left, true);
        assert_int_equal(found->state, JOURNAL_HOT);
        journal_found_close(found);
        found = open_found(left, false);
        assert_int_equal(found->state, JOURNAL_HOT);
        journal_found_close(found);
        journal_found_close(reading);
}

struct latecomer {
        struct left_behind *left;
        int fd;
};

static int lock_before_read(void *context, const struct system_call_made *made)
{
        struct latecomer *late = context;

        if (made->call == CALL_PREAD && late->fd < 0)
                late->fd = lock_journal(late->left, F_WRLCK);
        return 0;
}

/* It may have been half written when it was read. */
static void a_journal_whose_writer_came_while_it_was_read_is_busy(void **state)
{
        struct left_behind *left = *state;
        struct latecomer late = {left, -1};
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        system_calls_context = &late;
        system_calls_before = lock_before_read;
        found = open_found(left, true);
        system_calls_before = NULL;
        assert_int_not_equal(late.fd, -1);
        assert_int_equal(found->state, JOURNAL_BUSY);
        journal_found_close(found);
        close(late.fd);
        expect_untouched(left, JOURNAL_HOT);
}

static void who_recovers_keeps_all_others_out(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *recovering;

        left_behind_leave(left, LEFT_AT_BATCH);
        recovering = open_found(left, false);
        expect_untouched(left, JOURNAL_BUSY);
        journal_found_close(recovering);
        expect_state(left, JOURNAL_HOT);
}

static void a_writer_that_was_killed_is_not_busy(void **state)
{
        struct left_behind *left = *state;
        int ends[2];
        char byte;
        pid_t writer;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(pipe(ends), 0);
        writer = fork();
        if (writer == 0) {
                lock_journal(left, F_WRLCK);
                (void)!write(ends[1], "r", 1);
                pause();
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        expect_state(left, JOURNAL_BUSY);
        assert_int_equal(kill(writer, SIGKILL), 0);
        assert_int_equal(waitpid(writer, NULL, 0), writer);
        expect_state(left, JOURNAL_HOT);
        close(ends[0]);
        close(ends[1]);
}

static int remove_before_lock(void *context, const struct system_call_made *made)
{
        const struct left_behind *left = context;

        if (made->call == CALL_FCNTL)
                assert_int_equal(unlink(left->place.path), 0);
        return 0;
}

/* Between our open and our lock.  Another one may have its name by now. */
static void a_journal_that_its_writer_removed_meanwhile_is_gone(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_DONE);
        system_calls_context = left;
        system_calls_before = remove_before_lock;
        found = open_found(left, false);
        system_calls_before = NULL;
        assert_int_equal(found->state, JOURNAL_GONE);
        assert_int_equal(journal_found_remove(found), 0);
        journal_found_close(found);
}

static int fail_one_call(void *context, const struct system_call_made *made)
{
        const enum system_call *fails = context;

        return made->call == *fails ? EIO : 0;
}

static void a_journal_that_cannot_be_locked_or_read_is_unreadable(void **state)
{
        static enum system_call fails[] = {CALL_FCNTL, CALL_PREAD, CALL_OPENAT};
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
                struct journal_found *found;

                system_calls_context = &fails[i];
                system_calls_before = fail_one_call;
                found = open_found(left, false);
                system_calls_before = NULL;
                assert_int_equal(found->state, JOURNAL_UNREADABLE);
                assert_int_equal(found->error, -EIO);
                journal_found_close(found);
        }
        expect_untouched(left, JOURNAL_HOT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, found_set_up, found_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_journal_whose_writer_lives_is_busy),
            TEST(one_who_reads_is_in_nobodys_way),
            TEST(a_journal_whose_writer_came_while_it_was_read_is_busy),
            TEST(who_recovers_keeps_all_others_out),
            TEST(a_writer_that_was_killed_is_not_busy),
            TEST(a_journal_that_its_writer_removed_meanwhile_is_gone),
            TEST(a_journal_that_cannot_be_locked_or_read_is_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
