/* SPDX-License-Identifier: MIT */
/* Which journals are not trusted, whatever they say (invariant 11). */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "found_journal.h"
#include "in_child.h"
#include "system_calls.h"

static void expect_distrust(struct left_behind *left, enum journal_distrust distrust)
{
        for (int read_only = 0; read_only < 2; read_only++) {
                struct journal_found *found = open_found(left, read_only);

                assert_int_equal(found->state, JOURNAL_UNTRUSTED);
                assert_int_equal(found->distrust, distrust);
                journal_found_close(found);
        }
}

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, found_set_up, found_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(what_is_not_a_regular_file_is_not_trusted),
            TEST(what_is_put_there_behind_the_look_is_not_trusted_either),
            TEST(a_second_link_is_not_trusted),
            TEST(a_mode_that_lets_others_write_is_not_trusted),
            TEST(only_a_strangers_journal_is_not_trusted),
            TEST(every_distrust_has_a_text_of_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
