/* SPDX-License-Identifier: MIT */
/*
 * Before anything is undone it is asked whether something refers to what the edit had
 * taken (invariant 7): what becomes of each answer, and when it is not asked.
 */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answers.h"
#include "host/recovery/recovery.h"
#include "left_edit.h"

struct fixture {
        struct left_edit left;
        struct recovery recovery;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        left_edit_create(&f->left);
        f->left.claims = true;
        memset(&answers, 0, sizeof answers);
        answers.image = &f->left.image;
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

static void leave(struct fixture *f, enum left_at at)
{
        (void)unlink(f->left.journal);
        left_edit_leave(&f->left, f->left.journal, &f->left.identity, at);
}

static const struct recovery_item *search(struct fixture *f, bool dry_run, bool discard)
{
        const struct journal_search places = {.resolved_path =
                                                  f->left.image.resolved_path};
        const struct recovery_item *item = &f->recovery.items[0];
        int status;

        recovery_release(&f->recovery);
        assert_int_equal(recovery_start(&f->recovery, &f->left.image, &answers_examiner),
                         0);
        f->recovery.dry_run = dry_run;
        f->recovery.discard = discard;
        answers.proofs = 0;
        answers.checks = 0;
        status = recovery_search(&f->recovery, places);
        assert_int_equal(f->recovery.count, 1);
        assert_int_equal(status, item->state >= RECOVERY_FIRST_STOP);
        return item;
}

static bool is_there(const char *path)
{
        struct stat status;

        return lstat(path, &status) == 0;
}

/* A stop changes nothing, and a dry run comes to the same. */
static const struct recovery_item *expect_stop(struct fixture *f,
                                               enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        const struct recovery_item *item = NULL;
        char *after;

        for (int dry_run = 1; dry_run >= 0; dry_run--) {
                item = search(f, dry_run, false);
                assert_int_equal(item->state, state);
                assert_int_equal(answers.proofs, 1);
        }
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
        return item;
}

/* ---- the answers ---------------------------------------------------------------- */

static void what_nothing_refers_to_is_given_back(void **state)
{
        struct fixture *f = *state;

        leave(f, LEFT_APPLIED);
        assert_int_equal(search(f, true, false)->state, RECOVERY_WOULD_UNDO);
        assert_int_equal(answers.proofs, 1);
        assert_int_equal(search(f, false, false)->state, RECOVERY_UNDONE);
        assert_int_equal(answers.proofs, 1);
        assert_true(left_edit_image_is_old(&f->left));
        assert_false(is_there(f->left.journal));
}

/* Whatever the prover has left in its answer. */
static void a_proof_that_was_not_made_is_a_failure(void **state)
{
        static const enum recovery_proof proofs[] = {RECOVERY_PROVED, RECOVERY_REFERENCED,
                                                     RECOVERY_UNPROVABLE};
        struct fixture *f = *state;
        const struct recovery_item *item;

        leave(f, LEFT_APPLIED);
        answers.proof_error = -ENODEV;
        for (size_t i = 0; i < 3; i++) {
                answers.proof = proofs[i];
                item = expect_stop(f, RECOVERY_FAILED);
                assert_int_equal(item->error, -ENODEV);
                assert_non_null(strstr(item->reason, "proof"));
        }
        answers.proof_error = 0;
        answers.proof = RECOVERY_PROVED;
        assert_int_equal(search(f, false, false)->state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
}

/* ---- not asked ------------------------------------------------------------------ */

static void an_edit_that_took_nothing_is_undone_without_a_proof(void **state)
{
        struct fixture *f = *state;

        f->left.claims = false;
        leave(f, LEFT_APPLIED);
        answers.proof_error = -ENODEV;
        assert_int_equal(search(f, true, false)->state, RECOVERY_WOULD_UNDO);
        assert_int_equal(search(f, false, false)->state, RECOVERY_UNDONE);
        assert_int_equal(answers.proofs, 0);
        assert_true(left_edit_image_is_old(&f->left));
}

static void expect_unasked(struct fixture *f, bool discard, enum recovery_state would,
                           enum recovery_state state)
{
        answers.proof_error = -ENODEV;
        assert_int_equal(search(f, true, discard)->state, would);
        assert_int_equal(answers.proofs, 0);
        assert_int_equal(search(f, false, discard)->state, state);
        assert_int_equal(answers.proofs, 0);
}

static void what_is_not_undone_is_not_proved(void **state)
{
        struct fixture *f = *state;

        leave(f, LEFT_SWITCHED);
        expect_unasked(f, false, RECOVERY_WOULD_COMPLETE, RECOVERY_COMPLETE);
        leave(f, LEFT_ABORTED);
        expect_unasked(f, false, RECOVERY_WOULD_REMOVE, RECOVERY_REMOVED);
        leave(f, LEFT_APPLIED);
        expect_unasked(f, true, RECOVERY_WOULD_DISCARD, RECOVERY_DISCARDED);
        assert_false(is_there(f->left.journal));
        leave(f, LEFT_APPLIED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        expect_unasked(f, false, RECOVERY_WOULD_SUPERSEDE, RECOVERY_SUPERSEDED);
}

/* ---- the switch is there, and somebody else's bytes -------------------------------- */

static void what_was_written_behind_the_switch_supersedes_the_edit(void **state)
{
        struct fixture *f = *state;
        char *before;
        char *after;
        uint8_t byte;

        leave(f, LEFT_SWITCHED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        before = left_edit_snapshot(&f->left);
        assert_int_equal(search(f, true, false)->state, RECOVERY_WOULD_SUPERSEDE);
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
        answers.check_error = -ENODEV;
        assert_int_equal(search(f, false, false)->state, RECOVERY_SUPERSEDED);
        assert_null(f->recovery.items[0].reason);
        assert_int_equal(answers.proofs + answers.checks, 0);
        assert_false(is_there(f->left.journal));
        assert_int_equal(pread(f->left.image.fd, &byte, 1, 3 * 512), 1);
        assert_int_equal(byte, 'x');
        assert_int_equal(pread(f->left.image.fd, &byte, 1, 512), 1);
        assert_int_equal(byte, 0xa1);
}

/* ---- set aside, and remembered ------------------------------------------------------
 */

static int note_path(void *context, const char *path)
{
        char *text = context;

        assert_string_equal(text, "");
        strcpy(text, path);
        return 0;
}

/* When its own image is met again, the index leads to it. */
static void a_journal_that_was_set_aside_is_found_under_its_new_name(void **state)
{
        struct fixture *f = *state;
        struct journal_identity other = f->left.identity;
        struct journal_index *index;
        char state_directory[4200];
        char found[8200] = "";

        other.bytes[other.length - 1] ^= 1;
        snprintf(state_directory, sizeof state_directory, "%s/state",
                 f->left.scratch.path);
        assert_int_equal(journal_state_directory_prepare(state_directory), 0);
        left_edit_leave(&f->left, f->left.journal, &other, LEFT_APPLIED);
        assert_int_equal(search(f, false, false)->state, RECOVERY_SET_ASIDE);
        assert_int_equal(journal_index_start(state_directory, &index), 0);
        recovery_remember(&f->recovery, index);
        assert_int_equal(journal_index_wait(index), 0);
        journal_index_stop(index);
        while (wait(NULL) >= 0 || errno == EINTR)
                ;
        assert_int_equal(journal_index_start(state_directory, &index), 0);
        assert_int_equal(journal_index_find(index, &other), 0);
        assert_int_equal(journal_index_found(index, note_path, found), 0);
        assert_string_equal(found, f->recovery.items[0].new_path);
        assert_int_equal(journal_index_find(index, &f->left.identity), 0);
        assert_int_equal(journal_index_found(index, note_path, found), 0);
        journal_index_stop(index);
        while (wait(NULL) >= 0 || errno == EINTR)
                ;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(what_nothing_refers_to_is_given_back),
            TEST(a_proof_that_was_not_made_is_a_failure),
            TEST(an_edit_that_took_nothing_is_undone_without_a_proof),
            TEST(what_is_not_undone_is_not_proved),
            TEST(what_was_written_behind_the_switch_supersedes_the_edit),
            TEST(a_journal_that_was_set_aside_is_found_under_its_new_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
