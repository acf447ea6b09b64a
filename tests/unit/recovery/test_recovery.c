/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the journals that earlier edits of an image have left, on real files:
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

#include "host/recovery/recovery.h"
#include "left_edit.h"
#include "tests/unit/journal/system_calls.h"

struct fixture {
        struct left_edit left;
        struct recovery recovery;
        struct journal_identity other; /* of another file */
        char state[4200];              /* the state directory */
        char in_state[4400];           /* where the journal of this image is there */
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct journal_place place;

        left_edit_create(&f->left);
        f->other = f->left.identity;
        f->other.bytes[f->other.length - 1] ^= 1;
        snprintf(f->state, sizeof f->state, "%s/state", f->left.scratch.path);
        assert_int_equal(journal_state_directory_prepare(f->state), 0);
        assert_int_equal(mkdir(scratch_path(&f->left.scratch, "state/journals"), 0700),
                         0);
        assert_int_equal(
            journal_place_choose(f->left.image.fd, f->left.image.resolved_path,
                                 scratch_path(&f->left.scratch, "state/journals"), NULL,
                                 &f->left.identity, &place),
            0);
        snprintf(f->in_state, sizeof f->in_state, "%s", place.path);
        journal_place_release(&place);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        recovery_release(&f->recovery);
        left_edit_destroy(&f->left);
        free(f);
        return 0;
}

static struct journal_search places(const struct fixture *f)
{
        return (struct journal_search){.resolved_path = f->left.image.resolved_path,
                                       .state_directory = f->state};
}

/* No edit here has taken anything. */
static int no_prover(struct image *image, const struct abi_range *ranges, size_t count,
                     enum recovery_proof *proof)
{
        (void)image;
        (void)ranges;
        (void)count;
        (void)proof;
        fail_msg("nothing is to be proved");
        return -ENOSYS;
}

/* And no other program writes here. */
static int no_checker(struct image *image, enum recovery_soundness *soundness)
{
        (void)image;
        (void)soundness;
        fail_msg("nothing is to be checked");
        return -ENOSYS;
}

static const struct recovery_examiner nobody = {no_prover, no_checker};

static void begin(struct fixture *f, bool dry_run, bool discard)
{
        recovery_release(&f->recovery);
        assert_int_equal(recovery_start(&f->recovery, &f->left.image, &nobody), 0);
        f->recovery.dry_run = dry_run;
        f->recovery.discard = discard;
}

/* Search; the one item that there is. */
static const struct recovery_item *search(struct fixture *f, bool dry_run, bool discard)
{
        const struct recovery_item *item = &f->recovery.items[0];
        int status;

        begin(f, dry_run, discard);
        status = recovery_search(&f->recovery, places(f));
        assert_int_equal(f->recovery.count, 1);
        assert_int_equal(status, item->state >= RECOVERY_FIRST_STOP);
        assert_ptr_equal(recovery_stop(&f->recovery), status ? item : NULL);
        assert_string_equal(item->path, f->left.journal);
        return item;
}

static void expect_dry(struct fixture *f, bool discard, enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        char *after;

        assert_int_equal(search(f, true, discard)->state, state);
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
}

/* What would be done changes nothing; then it is done. */
static const struct recovery_item *expect(struct fixture *f, bool discard,
                                          enum recovery_state would,
                                          enum recovery_state state)
{
        const struct recovery_item *item;

        expect_dry(f, discard, would);
        item = search(f, false, discard);
        assert_int_equal(item->state, state);
        return item;
}

/* Whoever stops a command leaves everything as it is. */
static const struct recovery_item *expect_stop(struct fixture *f,
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

static bool is_there(const char *path)
{
        struct stat status;

        return lstat(path, &status) == 0;
}

static void leave(struct fixture *f, enum left_at at)
{
        left_edit_leave(&f->left, f->left.journal, &f->left.identity, at);
}

static void patch_at(const char *path, off_t at)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "?", 1, at), 1);
        close(fd);
}

static void patch_journal(struct fixture *f, off_t at)
{
        patch_at(f->left.journal, at);
}

/* ---- dealt with ------------------------------------------------------------------ */

static void an_interrupted_edit_is_undone_and_reported(void **state)
{
        struct fixture *f = *state;
        const struct recovery_item *item;
        uint64_t now = (uint64_t)time(NULL);

        leave(f, LEFT_APPLIED);
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
        struct fixture *f = *state;

        leave(f, LEFT_UNAPPLIED);
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
        struct fixture *f = *state;
        struct order order = {.fd = f->left.image.fd};
        uint8_t sector[512];

        leave(f, LEFT_SWITCHED);
        expect_dry(f, false, RECOVERY_WOULD_COMPLETE);
        system_calls_context = &order;
        system_calls_before = note_order;
        assert_int_equal(search(f, false, false)->state, RECOVERY_COMPLETE);
        system_calls_before = NULL;
        assert_string_equal(order.log, "WSu");
        assert_int_equal(pread(f->left.image.fd, sector, 512, 512), 512);
        assert_int_equal(sector[511], 0xa1);
        assert_false(is_there(f->left.journal));
}

static void a_journal_that_is_over_is_removed(void **state)
{
        static const enum left_at over[] = {LEFT_EMPTY, LEFT_DONE, LEFT_ABORTED};
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
                for (int discard = 0; discard < 2; discard++) {
                        leave(f, over[i]);
                        expect(f, discard, RECOVERY_WOULD_REMOVE, RECOVERY_REMOVED);
                        assert_false(is_there(f->left.journal));
                }
        }
}

static void another_files_journal_is_set_aside(void **state)
{
        struct fixture *f = *state;
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
        struct fixture *f = *state;
        const struct recovery_item *item;
        char name[100];

        left_edit_leave(&f->left, f->left.journal, &f->other, LEFT_APPLIED);
        item = search(f, true, false);
        snprintf(name, sizeof name, "disk.%s%s", item->transaction, JOURNAL_SUFFIX);
        close(scratch_file(&f->left.scratch, name, 3));
        item = search(f, false, false);
        assert_int_equal(item->state, RECOVERY_FAILED);
        assert_int_equal(item->error, -EEXIST);
        assert_true(is_there(f->left.journal));
}

/* ---- stops ------------------------------------------------------------------------- */

static void a_journal_that_cannot_be_used_stops(void **state)
{
        struct fixture *f = *state;
        const struct recovery_item *item;

        leave(f, LEFT_APPLIED);
        assert_int_equal(chmod(f->left.journal, 0622), 0);
        item = expect_stop(f, RECOVERY_UNTRUSTED);
        assert_string_equal(item->reason, journal_distrust_text(JOURNAL_WRITABLE));
        assert_int_equal(chmod(f->left.journal, 0600), 0);
        patch_journal(f, 1100);
        item = expect_stop(f, RECOVERY_DAMAGED);
        assert_string_equal(item->reason, journal_fault_text(JOURNAL_FAULT_SECTOR));
        patch_journal(f, 100);
        item = expect_stop(f, RECOVERY_DAMAGED);
        assert_string_equal(item->reason, journal_fault_text(JOURNAL_FAULT_HEADER));
        assert_string_equal(item->transaction, "");
        assert_null(item->asked);
}

static void a_journal_whose_writer_lives_stops(void **state)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct fixture *f = *state;
        int fd;

        leave(f, LEFT_APPLIED);
        fd = open(f->left.journal, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect_stop(f, RECOVERY_BUSY);
        assert_int_equal(search(f, false, true)->state, RECOVERY_BUSY);
        assert_true(is_there(f->left.journal));
        close(fd);
        assert_int_equal(search(f, false, false)->state, RECOVERY_UNDONE);
}

/* Here because the image cannot be written; it can be the next time. */
static void an_edit_that_cannot_be_undone_stays_hot(void **state)
{
        struct fixture *f = *state;
        const struct recovery_item *item;
        int writable;

        leave(f, LEFT_APPLIED);
        writable = f->left.image.fd;
        f->left.image.fd = open(f->left.image.resolved_path, O_RDONLY | O_CLOEXEC);
        item = search(f, false, false);
        assert_int_equal(item->state, RECOVERY_FAILED);
        assert_int_equal(item->error, -EBADF);
        close(f->left.image.fd);
        f->left.image.fd = writable;
        assert_false(left_edit_image_is_old(&f->left));
        assert_int_equal(search(f, false, false)->state, RECOVERY_UNDONE);
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
        struct fixture *f = *state;
        struct syncs syncs = {.fd = f->left.image.fd};

        do {
                leave(f, LEFT_APPLIED);
                syncs.count = 0;
                syncs.fails++;
                system_calls_context = &syncs;
                system_calls_before = fail_one_sync;
                begin(f, false, false);
                assert_int_equal(recovery_search(&f->recovery, places(f)), 0);
                system_calls_before = NULL;
                assert_int_equal(f->recovery.items[0].state, RECOVERY_UNDONE);
                assert_true(left_edit_image_is_old(&f->left));
        } while (syncs.count >= syncs.fails);
        assert_true(syncs.fails > 3);
}

/* ---- discarding ----------------------------------------------------------------------
 */

static void expect_discarded(struct fixture *f)
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
        struct fixture *f = *state;

        leave(f, LEFT_APPLIED);
        expect_discarded(f);
        leave(f, LEFT_APPLIED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        expect_discarded(f);
        leave(f, LEFT_APPLIED);
        patch_journal(f, 1100);
        expect_discarded(f);
        leave(f, LEFT_APPLIED);
        assert_int_equal(chmod(f->left.journal, 0666), 0);
        expect_discarded(f);
        assert_int_equal(symlink("/etc/passwd", f->left.journal), 0);
        expect_discarded(f);
        assert_true(is_there("/etc/passwd"));
}

static void what_cannot_be_discarded_is_told(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(mkdir(f->left.journal, 0700), 0);
        expect_dry(f, true, RECOVERY_WOULD_DISCARD);
        assert_int_equal(search(f, false, true)->state, RECOVERY_FAILED);
        assert_true(is_there(f->left.journal));
}

/* ---- several places
 * -------------------------------------------------------------------- */

static void nothing_is_found_where_there_is_nothing(void **state)
{
        struct fixture *f = *state;

        begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, places(f)), 0);
        assert_int_equal(f->recovery.count, 0);
        assert_null(recovery_stop(&f->recovery));
}

static void every_place_is_looked_at(void **state)
{
        struct fixture *f = *state;
        struct journal_search all = places(f);
        const char *named = scratch_path(&f->left.scratch, "named");
        char in_named[4400];

        assert_int_equal(mkdir(named, 0700), 0);
        snprintf(in_named, sizeof in_named, "%s/%s", named,
                 strrchr(f->in_state, '/') + 1);
        left_edit_leave(&f->left, f->left.journal, &f->left.identity, LEFT_ABORTED);
        left_edit_leave(&f->left, in_named, &f->left.identity, LEFT_EMPTY);
        left_edit_leave(&f->left, f->in_state, &f->left.identity, LEFT_APPLIED);
        all.journal_directory = named;
        begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, all), 0);
        assert_int_equal(f->recovery.count, 3);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_REMOVED);
        assert_string_equal(f->recovery.items[1].path, in_named);
        assert_int_equal(f->recovery.items[1].state, RECOVERY_REMOVED);
        assert_string_equal(f->recovery.items[2].path, f->in_state);
        assert_int_equal(f->recovery.items[2].state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, all), 0);
        assert_int_equal(f->recovery.count, 0);
}

static void one_that_stops_ends_the_search(void **state)
{
        struct fixture *f = *state;

        leave(f, LEFT_APPLIED);
        patch_journal(f, 1100);
        left_edit_leave(&f->left, f->in_state, &f->left.identity, LEFT_ABORTED);
        assert_int_equal(search(f, false, false)->state, RECOVERY_DAMAGED);
        assert_true(is_there(f->in_state));
}

/* The index, too, names the path beside the image. */
static void one_path_is_dealt_with_once(void **state)
{
        struct fixture *f = *state;

        leave(f, LEFT_APPLIED);
        search(f, true, false);
        assert_int_equal(recovery_at_index(&f->recovery, f->left.journal), 0);
        assert_int_equal(f->recovery.count, 1);
}

static void a_journal_that_only_the_index_knows_is_recovered(void **state)
{
        struct fixture *f = *state;
        const char *path = scratch_path(&f->left.scratch, "elsewhere");

        left_edit_leave(&f->left, path, &f->left.identity, LEFT_APPLIED);
        begin(f, false, false);
        assert_int_equal(recovery_search(&f->recovery, places(f)), 0);
        assert_int_equal(f->recovery.count, 0);
        assert_int_equal(recovery_at_index(&f->recovery, path), 0);
        assert_int_equal(f->recovery.count, 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
        assert_false(is_there(path));
}

static void expect_left_alone(struct fixture *f, const char *path)
{
        char *before = left_edit_snapshot(&f->left);
        char *after;

        for (int discard = 0; discard < 2; discard++) {
                begin(f, false, discard);
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
        struct fixture *f = *state;
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
        struct fixture *f = *state;
        const char *path = scratch_path(&f->left.scratch, "elsewhere");
        int fd;

        left_edit_leave(&f->left, path, &f->left.identity, LEFT_APPLIED);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_BUSY);
        close(fd);
        patch_at(path, 1100);
        begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_DAMAGED);
        assert_int_equal(chmod(path, 0622), 0);
        begin(f, false, false);
        assert_int_equal(recovery_at_index(&f->recovery, path), 1);
        assert_int_equal(f->recovery.items[0].state, RECOVERY_UNTRUSTED);
}

static void a_path_of_the_index_that_leads_nowhere_is_passed_over(void **state)
{
        struct fixture *f = *state;

        begin(f, false, false);
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
        struct fixture *f = *state;
        char path[4400];

        begin(f, true, false);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
