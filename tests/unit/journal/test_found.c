/* SPDX-License-Identifier: MIT */
/*
 * What a journal that was found is taken for.  It is honoured only where it is hot
 * (invariant 11); and looking at it never changes it.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "in_child.h"
#include "journal/bytes.h"
#include "left_behind.h"
#include "patch.h"
#include "system_calls.h"

static int set_up(void **state)
{
        struct left_behind *left = malloc(sizeof *left);

        left_behind_create(left);
        *state = left;
        return 0;
}

static int tear_down(void **state)
{
        left_behind_destroy(*state);
        free(*state);
        return 0;
}

static struct journal_found *open_found(struct left_behind *left, bool read_only)
{
        struct journal_found *found;

        assert_int_equal(
            journal_found_open(left->place.path, &left->facts, read_only, &found), 0);
        return found;
}

/* In this state, whether or not anything may be changed. */
static void expect_state(struct left_behind *left, enum journal_state state)
{
        for (int read_only = 0; read_only < 2; read_only++) {
                struct journal_found *found = open_found(left, read_only);

                assert_int_equal(found->state, state);
                journal_found_close(found);
        }
}

/* The same of a file that is there, which stays as it is. */
static void expect_untouched(struct left_behind *left, enum journal_state state)
{
        struct left_behind_look look;

        left_behind_look(left, &look);
        expect_state(left, state);
        assert_true(left_behind_is_unchanged(left, &look));
}

static void expect_distrust(struct left_behind *left, enum journal_distrust distrust)
{
        for (int read_only = 0; read_only < 2; read_only++) {
                struct journal_found *found = open_found(left, read_only);

                assert_int_equal(found->state, JOURNAL_UNTRUSTED);
                assert_int_equal(found->distrust, distrust);
                journal_found_close(found);
        }
}

/* ---- hot ------------------------------------------------------------------- */

static void a_hot_journal_tells_what_was_begun(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        expect_untouched(left, JOURNAL_HOT);
        found = open_found(left, true);
        assert_string_equal(found->asked, "bitmap --add disk b0");
        assert_string_equal(found->image_path, "/images/disk");
        assert_string_equal(found->path, left->place.path);
        assert_int_equal(strlen(found->transaction), 32);
        assert_int_equal(found->reader.header.old_size, LEFT_BEHIND_OLD_SIZE);
        assert_int_equal(found->reader.header.final_size, LEFT_BEHIND_FINAL_SIZE);
        assert_int_equal(found->extents, 3); /* two of the four are neighbours */
        assert_int_equal(found->bytes, 2048 + 1024 + 512 + 512);
        journal_found_close(found);
}

/* Recovery's mark is no end. */
static void a_journal_whose_recovery_was_interrupted_is_hot(void **state)
{
        struct left_behind *left = *state;
        uint8_t boot[JOURNAL_BOOT_ID_SIZE] = {9};
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        patch_mark(&left->place, 77, boot);
        expect_untouched(left, JOURNAL_HOT);
        found = open_found(left, true);
        assert_true(found->reader.recovering);
        assert_int_equal(found->reader.ending_time, 77);
        assert_memory_equal(found->reader.recovering_boot, boot, sizeof boot);
        journal_found_close(found);
}

static void a_journal_of_any_file_is_hot_where_no_image_is_named(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(journal_found_open(left->place.path, NULL, true, &found), 0);
        assert_int_equal(found->state, JOURNAL_HOT);
        journal_found_close(found);
}

/* ---- not there, not readable ------------------------------------------------- */

static void nothing_is_gone(void **state)
{
        expect_state(*state, JOURNAL_GONE);
}

static void a_path_without_a_directory_is_an_error(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;
        char name[300];

        assert_int_equal(journal_found_open(scratch_path(&left->scratch, "no/j"),
                                            &left->facts, false, &found),
                         -ENOENT);
        assert_null(found);
        assert_int_equal(journal_found_open("relative", &left->facts, false, &found),
                         -EINVAL);
        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        assert_int_equal(journal_found_open(scratch_path(&left->scratch, name),
                                            &left->facts, false, &found),
                         -EINVAL);
        journal_found_close(NULL);
}

static int expect_unreadable(void *context)
{
        struct left_behind *left = context;
        struct journal_found *found;
        int bad;

        become_nobody();
        if (journal_found_open(left->place.path, &left->facts, true, &found) != 0)
                return 1;
        bad = found->state != JOURNAL_UNREADABLE || found->error != -EACCES;
        journal_found_close(found);
        return bad;
}

static void a_journal_that_may_not_be_opened_is_unreadable(void **state)
{
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(chmod(left->scratch.path, 0755), 0);
        assert_int_equal(chmod(left->place.path, 0), 0);
        assert_int_equal(in_child(expect_unreadable, left), 0);
}

/* ---- not trusted --------------------------------------------------------------- */

static void make_fifo(const char *path)
{
        assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_directory(const char *path)
{
        assert_int_equal(mkdir(path, 0700), 0);
}

static void make_dangling_link(const char *path)
{
        assert_int_equal(symlink("nothing", path), 0);
}

static void make_link_to_a_journal(const char *path)
{
        assert_int_equal(symlink("journal", path), 0);
}

static void make_device(const char *path)
{
        if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) != 0) {
                assert_int_equal(errno, EPERM); /* an ordinary user, or a container */
                print_message("no device can be made here: a FIFO stands for it\n");
                make_fifo(path);
        }
}

/* A FIFO would make its opener wait; a link leads to somebody's file. */
static void what_is_not_a_regular_file_is_not_trusted(void **state)
{
        static void (*const make[])(const char *) = {make_fifo, make_directory,
                                                     make_dangling_link,
                                                     make_link_to_a_journal, make_device};
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(
            rename(left->place.path, scratch_path(&left->scratch, "journal")), 0);
        for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
                make[i](left->place.path);
                alarm(10);
                expect_distrust(left, JOURNAL_NOT_A_FILE);
                alarm(0);
                assert_int_equal(remove(left->place.path), 0);
        }
}

struct swap {
        struct left_behind *left;
        void (*make)(const char *path);
};

static int swap_before_open(void *context, const struct system_call_made *made)
{
        const struct swap *swap = context;

        if (made->call == CALL_OPENAT) {
                assert_int_equal(remove(swap->left->place.path), 0);
                swap->make(swap->left->place.path);
        }
        return 0;
}

/* By name it was a journal; what was opened counts. */
static void what_is_put_there_behind_the_look_is_not_trusted_either(void **state)
{
        static const struct {
                void (*make)(const char *);
                enum journal_state state;
                int error;
        } cases[] = {
            {make_fifo, JOURNAL_UNTRUSTED, 0},
            {make_device, JOURNAL_UNTRUSTED, 0},
            {make_link_to_a_journal, JOURNAL_UNREADABLE, -ELOOP},
        };
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(
            rename(left->place.path, scratch_path(&left->scratch, "journal")), 0);
        for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
                size_t number = i / 2;
                struct swap swap = {left, cases[number].make};
                struct journal_found *found;

                left_behind_leave(left, LEFT_AT_BATCH);
                system_calls_context = &swap;
                system_calls_before = swap_before_open;
                alarm(10);
                found = open_found(left, i % 2);
                alarm(0);
                system_calls_before = NULL;
                assert_int_equal(found->state, cases[number].state);
                assert_int_equal(found->error, cases[number].error);
                journal_found_close(found);
                assert_int_equal(remove(left->place.path), 0);
        }
}

static void a_second_link_is_not_trusted(void **state)
{
        struct left_behind *left = *state;
        const char *second = scratch_path(&left->scratch, "second");

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(link(left->place.path, second), 0);
        expect_distrust(left, JOURNAL_LINKED);
        expect_untouched(left, JOURNAL_UNTRUSTED);
        assert_int_equal(unlink(second), 0);
        expect_state(left, JOURNAL_HOT);
}

static void a_mode_that_lets_others_write_is_not_trusted(void **state)
{
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        for (mode_t mode = 0600; mode <= 0677; mode++) {
                assert_int_equal(chmod(left->place.path, mode), 0);
                if (mode & 022)
                        expect_distrust(left, JOURNAL_WRITABLE);
                else
                        expect_state(left, JOURNAL_HOT);
        }
}

#define STRANGER 12345u

struct ownership {
        struct left_behind *left;
        uid_t journal;
        uid_t image; /* (uid_t)-1: no image is named */
        bool as_nobody;
        bool trusted;
};

static int judge_ownership(void *context)
{
        const struct ownership *o = context;
        struct journal_image facts = o->left->facts;
        struct journal_found *found;
        int bad;

        facts.owner = o->image;
        if (chown(o->left->place.path, o->journal, (gid_t)-1) != 0)
                return 1;
        if (o->as_nobody)
                become_nobody();
        if (journal_found_open(o->left->place.path, o->image == (uid_t)-1 ? NULL : &facts,
                               true, &found) != 0)
                return 2;
        if (o->trusted)
                bad = found->state != JOURNAL_HOT;
        else
                bad = found->state != JOURNAL_UNTRUSTED ||
                      found->distrust != JOURNAL_STRANGERS;
        journal_found_close(found);
        return bad ? 3 : 0;
}

/* The caller's own, root's, and that of whoever owns the image: nobody else's. */
static void only_a_strangers_journal_is_not_trusted(void **state)
{
        struct left_behind *left = *state;
        struct ownership cases[] = {
            {left, 0, 0, false, true},
            {left, STRANGER, 0, false, false},
            {left, STRANGER, STRANGER, false, true},
            {left, STRANGER, NOBODY, false, false},
            {left, STRANGER, (uid_t)-1, false, false},
            {left, 0, (uid_t)-1, false, true},
            {left, NOBODY, 0, true, true},
            {left, 0, NOBODY, true, true},
            {left, STRANGER, STRANGER, true, true},
            {left, STRANGER, NOBODY, true, false},
            {left, NOBODY, 0, false, false}, /* to root, nobody is a stranger */
        };

        if (geteuid() != 0) {
                print_message("only root can give files away\n");
                skip();
        }
        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(chmod(left->scratch.path, 0755), 0);
        assert_int_equal(chmod(left->place.path, 0644), 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(in_child(judge_ownership, &cases[i]), 0);
}

static void every_distrust_has_a_text_of_its_own(void **state)
{
        (void)state;
        for (int a = JOURNAL_TRUSTED; a <= JOURNAL_STRANGERS + 1; a++)
                for (int b = JOURNAL_TRUSTED; b < a; b++)
                        assert_string_not_equal(
                            journal_distrust_text((enum journal_distrust)a),
                            journal_distrust_text((enum journal_distrust)b));
}

/* ---- busy ---------------------------------------------------------------------- */

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

/* Two that only look do not disturb each other; who would write waits for neither. */
static void one_who_reads_is_in_the_way_of_a_writer_only(void **state)
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
        assert_int_equal(found->state, JOURNAL_BUSY);
        journal_found_close(found);
        journal_found_close(reading);
        expect_state(left, JOURNAL_HOT);
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

/* ---- what it says of itself ------------------------------------------------------ */

static void an_edit_that_had_ended_is_ended(void **state)
{
        struct left_behind *left = *state;

        for (int at = LEFT_AT_DONE; at <= LEFT_AT_ABORTED; at++) {
                left_behind_leave(left, (enum left_at)at);
                expect_untouched(left, JOURNAL_ENDED);
                left->facts.identity.bytes[0] ^= 1; /* whosever it was */
                expect_untouched(left, JOURNAL_ENDED);
                left->facts.identity.bytes[0] ^= 1;
                assert_int_equal(unlink(left->place.path), 0);
        }
}

/* Whatever length the only batch was cut to: the image had not been touched. */
static void a_journal_without_a_closed_batch_is_empty(void **state)
{
        struct left_behind *left = *state;
        struct stat status;

        left_behind_leave(left, LEFT_AT_BEGIN);
        expect_untouched(left, JOURNAL_EMPTY);
        assert_int_equal(unlink(left->place.path), 0);
        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(stat(left->place.path, &status), 0);
        for (off_t size = status.st_size - 1; size >= 0; size -= 37) {
                assert_int_equal(truncate(left->place.path, size), 0);
                expect_untouched(left, JOURNAL_EMPTY);
        }
}

static void another_files_journal_is_another_files(void **state)
{
        struct left_behind *left = *state;
        struct journal_identity *identity = &left->facts.identity;

        left_behind_leave(left, LEFT_AT_BATCH);
        for (uint32_t i = 0; i < identity->length; i++) {
                identity->bytes[i] ^= 0x80;
                expect_untouched(left, JOURNAL_OTHERS);
                identity->bytes[i] ^= 0x80;
        }
        identity->kind = JOURNAL_IDENTITY_HANDLE;
        expect_untouched(left, JOURNAL_OTHERS);
        identity->kind = JOURNAL_IDENTITY_INODE;
        identity->length--;
        expect_untouched(left, JOURNAL_OTHERS);
}

static void flip(struct left_behind *left, off_t at)
{
        int fd = scratch_open(&left->place);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
}

static void expect_fault(struct left_behind *left, enum journal_fault fault)
{
        struct journal_found *found = open_found(left, true);

        assert_int_equal(found->state, JOURNAL_DAMAGED);
        assert_int_equal(found->reader.fault, fault);
        journal_found_close(found);
}

static void a_damaged_journal_is_told_with_its_damage(void **state)
{
        struct left_behind *left = *state;
        uint8_t kind = 9;

        left_behind_leave(left, LEFT_AT_BATCH);
        flip(left, HEADER_OLD_SIZE);
        expect_fault(left, JOURNAL_FAULT_HEADER);
        expect_untouched(left, JOURNAL_DAMAGED);
        flip(left, HEADER_OLD_SIZE);
        flip(left, JOURNAL_RECORDS_OFFSET + 700);
        expect_fault(left, JOURNAL_FAULT_SECTOR);
        expect_untouched(left, JOURNAL_DAMAGED);
        left->facts.identity.bytes[0] ^= 1; /* it can be told whose it is */
        expect_untouched(left, JOURNAL_OTHERS);
        left->facts.identity.bytes[0] ^= 1;
        flip(left, JOURNAL_RECORDS_OFFSET + 700);
        patch_sector(&left->place, 1, 0, &kind, 1);
        expect_fault(left, JOURNAL_FAULT_ENDING);
        expect_untouched(left, JOURNAL_DAMAGED);
}

static void a_file_that_is_no_journal_is_damaged(void **state)
{
        struct left_behind *left = *state;
        int fd = scratch_file(&left->scratch, "disk.instar-journal", 0);

        assert_int_equal(write(fd, "notes\n", 6), 6);
        close(fd);
        expect_fault(left, JOURNAL_FAULT_HEADER);
        expect_untouched(left, JOURNAL_DAMAGED);
}

static void a_newer_format_is_not_damage(void **state)
{
        struct left_behind *left = *state;
        uint8_t version = JOURNAL_FORMAT_VERSION + 1;

        left_behind_leave(left, LEFT_AT_BATCH);
        patch_sector(&left->place, 0, HEADER_VERSION, &version, 1);
        expect_untouched(left, JOURNAL_NEWER);
}

/* ---- the image ------------------------------------------------------------------ */

static void an_image_is_described_as_it_is(void **state)
{
        struct left_behind *left = *state;
        struct journal_image facts;
        struct journal_identity identity;
        int fd = scratch_file(&left->scratch, "disk", 512);

        assert_int_equal(journal_image_describe(fd, &facts), 0);
        assert_int_equal(facts.owner, geteuid());
        assert_int_equal(journal_identify(fd, &identity), 0);
        assert_true(journal_identity_equal(&identity, &facts.identity));
        close(fd);
        assert_int_equal(journal_image_describe(fd, &facts), -EBADF);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_hot_journal_tells_what_was_begun),
            TEST(a_journal_whose_recovery_was_interrupted_is_hot),
            TEST(a_journal_of_any_file_is_hot_where_no_image_is_named),
            TEST(nothing_is_gone),
            TEST(a_path_without_a_directory_is_an_error),
            TEST(a_journal_that_may_not_be_opened_is_unreadable),
            TEST(what_is_not_a_regular_file_is_not_trusted),
            TEST(what_is_put_there_behind_the_look_is_not_trusted_either),
            TEST(a_second_link_is_not_trusted),
            TEST(a_mode_that_lets_others_write_is_not_trusted),
            TEST(only_a_strangers_journal_is_not_trusted),
            TEST(every_distrust_has_a_text_of_its_own),
            TEST(a_journal_whose_writer_lives_is_busy),
            TEST(one_who_reads_is_in_the_way_of_a_writer_only),
            TEST(who_recovers_keeps_all_others_out),
            TEST(a_writer_that_was_killed_is_not_busy),
            TEST(a_journal_that_its_writer_removed_meanwhile_is_gone),
            TEST(a_journal_that_cannot_be_locked_or_read_is_unreadable),
            TEST(an_edit_that_had_ended_is_ended),
            TEST(a_journal_without_a_closed_batch_is_empty),
            TEST(another_files_journal_is_another_files),
            TEST(a_damaged_journal_is_told_with_its_damage),
            TEST(a_file_that_is_no_journal_is_damaged),
            TEST(a_newer_format_is_not_damage),
            TEST(an_image_is_described_as_it_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
