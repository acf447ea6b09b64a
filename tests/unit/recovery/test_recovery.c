/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the journal that an earlier edit of an image has left, on real files:
 * each state, what is reported of it, and that a dry run changes nothing.
 */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "left_search.h"
#include "tests/unit/journal/system_calls.h"

static void expect_dry(struct left_search *f, bool discard, enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        char *after;

        assert_int_equal(left_search(f, true, discard)->state, state);
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
}

/* What would be done changes nothing; then it is done. */
static const struct recovery_item *expect(struct left_search *f, bool discard,
                                          enum recovery_state would,
                                          enum recovery_state state)
{
        const struct recovery_item *item;

        expect_dry(f, discard, would);
        item = left_search(f, false, discard);
        assert_int_equal(item->state, state);
        return item;
}

/* Whoever stops a command leaves everything as it is. */
static const struct recovery_item *expect_stop(struct left_search *f,
                                               enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        char *after;
        const struct recovery_item *item = expect(f, false, state, state);

        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
        return item;
}

/* ---- dealt with ------------------------------------------------------------------ */

static void an_interrupted_edit_is_undone_and_reported(void **state)
{
        struct left_search *f = *state;
        const struct recovery_item *item;
        uint64_t now = (uint64_t)time(NULL);

        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(image_refresh_size(&f->left.image), 0);
        assert_int_equal(f->left.image.size, LEFT_FINAL_SIZE);
        item = expect(f, false, RECOVERY_WOULD_UNDO, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        assert_int_equal(f->left.image.size, LEFT_OLD_SIZE);
        assert_false(is_there(f->left.journal));
        assert_string_equal(item->asked, "bitmap --add disk b0");
        assert_int_equal(strlen(item->transaction), 32);
        assert_in_range(item->begun / 1000000000u, now - 60, now + 60);
        assert_int_equal(item->extents, 3);
        assert_int_equal(item->bytes, 4 * 512);
        assert_int_equal(item->old_size, LEFT_OLD_SIZE);
        assert_int_equal(item->final_size, LEFT_FINAL_SIZE);
        assert_null(item->new_path);
        assert_null(item->reason);
        assert_int_equal(item->error, 0);
}

static void an_edit_that_had_not_written_is_undone(void **state)
{
        struct left_search *f = *state;

        left_search_leave(f, LEFT_UNAPPLIED);
        expect(f, false, RECOVERY_WOULD_UNDO, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        assert_false(is_there(f->left.journal));
}

/* What was done to the image's descriptor, and the removal. */
struct order {
        int fd;
        size_t length;
        char log[32];
};

static int note_order(void *context, const struct system_call_made *made)
{
        struct order *order = context;

        if (order->length + 1 == sizeof order->log)
                return 0;
        if (made->call == CALL_UNLINKAT)
                order->log[order->length++] = 'u';
        else if (made->fd == order->fd && made->call == CALL_PWRITE)
                order->log[order->length++] = 'W';
        else if (made->fd == order->fd && made->call == CALL_FDATASYNC)
                order->log[order->length++] = 'S';
        return 0;
}

/* And is made sure of: it may be in memory alone. */
static void an_edit_that_was_published_is_complete(void **state)
{
        struct left_search *f = *state;
        struct order order = {.fd = f->left.image.fd};
        uint8_t sector[512];

        left_search_leave(f, LEFT_SWITCHED);
        expect_dry(f, false, RECOVERY_WOULD_COMPLETE);
        system_calls_context = &order;
        system_calls_before = note_order;
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_COMPLETE);
        system_calls_before = NULL;
        assert_string_equal(order.log, "WSu");
        assert_int_equal(pread(f->left.image.fd, sector, 512, 512), 512);
        assert_int_equal(sector[511], 0xa1);
        assert_false(is_there(f->left.journal));
}

static void a_journal_that_is_over_is_removed(void **state)
{
        static const enum left_at over[] = {LEFT_EMPTY, LEFT_DONE, LEFT_ABORTED};
        struct left_search *f = *state;

        for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
                for (int discard = 0; discard < 2; discard++) {
                        left_search_leave(f, over[i]);
                        expect(f, discard, RECOVERY_WOULD_REMOVE, RECOVERY_REMOVED);
                        assert_false(is_there(f->left.journal));
                }
        }
}

static void another_files_journal_is_set_aside(void **state)
{
        struct left_search *f = *state;
        const struct recovery_item *item;
        char expected[4400];

        for (int discard = 0; discard < 2; discard++) { /* it is not ours to discard */
                left_edit_leave(&f->left, f->left.journal, &f->other, LEFT_APPLIED);
                item = expect(f, discard, RECOVERY_WOULD_SET_ASIDE, RECOVERY_SET_ASIDE);
                assert_false(is_there(f->left.journal));
                snprintf(expected, sizeof expected, "%s/disk.%s%s", f->left.scratch.path,
                         item->transaction, JOURNAL_SUFFIX);
                assert_string_equal(item->new_path, expected);
                assert_true(is_there(expected));
        }
}

static void where_setting_aside_fails_the_journal_stays(void **state)
{
        struct left_search *f = *state;
        const struct recovery_item *item;
        char name[100];

        left_edit_leave(&f->left, f->left.journal, &f->other, LEFT_APPLIED);
        item = left_search(f, true, false);
        snprintf(name, sizeof name, "disk.%s%s", item->transaction, JOURNAL_SUFFIX);
        close(scratch_file(&f->left.scratch, name, 3));
        item = left_search(f, false, false);
        assert_int_equal(item->state, RECOVERY_FAILED);
        assert_int_equal(item->error, -EEXIST);
        assert_true(is_there(f->left.journal));
}

/* ---- stops ------------------------------------------------------------------------- */

static void a_journal_that_cannot_be_used_stops(void **state)
{
        struct left_search *f = *state;
        const struct recovery_item *item;

        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(chmod(f->left.journal, 0622), 0);
        item = expect_stop(f, RECOVERY_UNTRUSTED);
        assert_string_equal(item->reason, journal_distrust_text(JOURNAL_WRITABLE));
        assert_int_equal(chmod(f->left.journal, 0600), 0);
        patch_at(f->left.journal, 1100);
        item = expect_stop(f, RECOVERY_DAMAGED);
        assert_string_equal(item->reason, journal_fault_text(JOURNAL_FAULT_SECTOR));
        patch_at(f->left.journal, 100);
        item = expect_stop(f, RECOVERY_DAMAGED);
        assert_string_equal(item->reason, journal_fault_text(JOURNAL_FAULT_HEADER));
        assert_string_equal(item->transaction, "");
        assert_null(item->asked);
}

static void a_journal_whose_writer_lives_stops(void **state)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct left_search *f = *state;
        int fd;

        left_search_leave(f, LEFT_APPLIED);
        fd = open(f->left.journal, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect_stop(f, RECOVERY_BUSY);
        assert_int_equal(left_search(f, false, true)->state, RECOVERY_BUSY);
        assert_true(is_there(f->left.journal));
        close(fd);
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_UNDONE);
}

/* Here because the image cannot be written; it can be the next time. */
static void an_edit_that_cannot_be_undone_stays_hot(void **state)
{
        struct left_search *f = *state;
        const struct recovery_item *item;
        int writable;

        left_search_leave(f, LEFT_APPLIED);
        writable = f->left.image.fd;
        f->left.image.fd = open(f->left.image.resolved_path, O_RDONLY | O_CLOEXEC);
        item = left_search(f, false, false);
        assert_int_equal(item->state, RECOVERY_FAILED);
        assert_int_equal(item->error, -EBADF);
        close(f->left.image.fd);
        f->left.image.fd = writable;
        assert_false(left_edit_image_is_old(&f->left));
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
}

struct syncs {
        int fd;
        unsigned int count;
        unsigned int fails;
};

static int fail_one_sync(void *context, const struct system_call_made *made)
{
        struct syncs *syncs = context;

        if (made->call != CALL_FDATASYNC || made->fd != syncs->fd)
                return 0;
        return ++syncs->count == syncs->fails ? EIO : 0;
}

/* The pages count as clean then, and the disk may have anything: they are written
 * again. */
static void one_sync_that_fails_is_made_good_at_once(void **state)
{
        struct left_search *f = *state;
        struct syncs syncs = {.fd = f->left.image.fd};

        do {
                left_search_leave(f, LEFT_APPLIED);
                syncs.count = 0;
                syncs.fails++;
                system_calls_context = &syncs;
                system_calls_before = fail_one_sync;
                left_search_begin(f, false, false);
                assert_int_equal(recovery_search(&f->recovery, left_search_places(f)), 0);
                system_calls_before = NULL;
                assert_int_equal(f->recovery.items[0].state, RECOVERY_UNDONE);
                assert_true(left_edit_image_is_old(&f->left));
        } while (syncs.count >= syncs.fails);
        assert_true(syncs.fails > 3);
}

/* ---- discarding ----------------------------------------------------------------------
 */

static void expect_discarded(struct left_search *f)
{
        struct stat before;
        struct stat after;

        assert_int_equal(fstat(f->left.image.fd, &before), 0);
        expect(f, true, RECOVERY_WOULD_DISCARD, RECOVERY_DISCARDED);
        assert_false(is_there(f->left.journal));
        assert_int_equal(fstat(f->left.image.fd, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof after.st_mtim);
}

static void a_journal_is_discarded_and_the_image_kept(void **state)
{
        struct left_search *f = *state;

        left_search_leave(f, LEFT_APPLIED);
        expect_discarded(f);
        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        expect_discarded(f);
        left_search_leave(f, LEFT_APPLIED);
        patch_at(f->left.journal, 1100);
        expect_discarded(f);
        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(chmod(f->left.journal, 0666), 0);
        expect_discarded(f);
        assert_int_equal(symlink("/etc/passwd", f->left.journal), 0);
        expect_discarded(f);
        assert_true(is_there("/etc/passwd"));
}

static void what_cannot_be_discarded_is_told(void **state)
{
        struct left_search *f = *state;

        assert_int_equal(mkdir(f->left.journal, 0700), 0);
        expect_dry(f, true, RECOVERY_WOULD_DISCARD);
        assert_int_equal(left_search(f, false, true)->state, RECOVERY_FAILED);
        assert_true(is_there(f->left.journal));
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, left_search_set_up, left_search_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_interrupted_edit_is_undone_and_reported),
            TEST(an_edit_that_had_not_written_is_undone),
            TEST(an_edit_that_was_published_is_complete),
            TEST(a_journal_that_is_over_is_removed),
            TEST(another_files_journal_is_set_aside),
            TEST(where_setting_aside_fails_the_journal_stays),
            TEST(a_journal_that_cannot_be_used_stops),
            TEST(a_journal_whose_writer_lives_stops),
            TEST(an_edit_that_cannot_be_undone_stays_hot),
            TEST(one_sync_that_fails_is_made_good_at_once),
            TEST(a_journal_is_discarded_and_the_image_kept),
            TEST(what_cannot_be_discarded_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
