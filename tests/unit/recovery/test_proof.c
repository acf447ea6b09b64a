/* SPDX-License-Identifier: MIT */
/*
 * Before anything is undone it is asked whether something refers to what the edit had
 * taken (invariant 7): what becomes of each answer, and when it is not asked.
 */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left_search.h"

/* A stop changes nothing, and a dry run comes to the same. */
static const struct recovery_item *expect_stop(struct left_search *f,
                                               enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        const struct recovery_item *item = NULL;
        char *after;

        for (int dry_run = 1; dry_run >= 0; dry_run--) {
                item = left_search(f, dry_run, false);
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
        struct left_search *f = *state;

        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(left_search(f, true, false)->state, RECOVERY_WOULD_UNDO);
        assert_int_equal(answers.proofs, 1);
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_UNDONE);
        assert_int_equal(answers.proofs, 1);
        assert_true(left_edit_image_is_old(&f->left));
        assert_false(is_there(f->left.journal));
}

/* Whatever the prover has left in its answer. */
static void a_proof_that_was_not_made_is_a_failure(void **state)
{
        static const enum recovery_proof proofs[] = {RECOVERY_PROVED, RECOVERY_REFERENCED,
                                                     RECOVERY_UNPROVABLE};
        struct left_search *f = *state;
        const struct recovery_item *item;

        left_search_leave(f, LEFT_APPLIED);
        answers.proof_error = -ENODEV;
        for (size_t i = 0; i < 3; i++) {
                answers.proof = proofs[i];
                item = expect_stop(f, RECOVERY_FAILED);
                assert_int_equal(item->error, -ENODEV);
                assert_non_null(strstr(item->reason, "proof"));
        }
        answers.proof_error = 0;
        answers.proof = RECOVERY_PROVED;
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_UNDONE);
        assert_true(left_edit_image_is_old(&f->left));
}

/* ---- not asked ------------------------------------------------------------------ */

static void an_edit_that_took_nothing_is_undone_without_a_proof(void **state)
{
        struct left_search *f = *state;

        f->left.claims = false;
        left_search_leave(f, LEFT_APPLIED);
        answers.proof_error = -ENODEV;
        assert_int_equal(left_search(f, true, false)->state, RECOVERY_WOULD_UNDO);
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_UNDONE);
        assert_int_equal(answers.proofs, 0);
        assert_true(left_edit_image_is_old(&f->left));
}

static void expect_unasked(struct left_search *f, bool discard, enum recovery_state would,
                           enum recovery_state state)
{
        answers.proof_error = -ENODEV;
        assert_int_equal(left_search(f, true, discard)->state, would);
        assert_int_equal(answers.proofs, 0);
        assert_int_equal(left_search(f, false, discard)->state, state);
        assert_int_equal(answers.proofs, 0);
}

static void what_is_not_undone_is_not_proved(void **state)
{
        struct left_search *f = *state;

        left_search_leave(f, LEFT_SWITCHED);
        expect_unasked(f, false, RECOVERY_WOULD_COMPLETE, RECOVERY_COMPLETE);
        left_search_leave(f, LEFT_ABORTED);
        expect_unasked(f, false, RECOVERY_WOULD_REMOVE, RECOVERY_REMOVED);
        left_search_leave(f, LEFT_APPLIED);
        expect_unasked(f, true, RECOVERY_WOULD_DISCARD, RECOVERY_DISCARDED);
        assert_false(is_there(f->left.journal));
        left_search_leave(f, LEFT_APPLIED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        expect_unasked(f, false, RECOVERY_WOULD_SUPERSEDE, RECOVERY_SUPERSEDED);
}

/* ---- the switch is there, and somebody else's bytes -------------------------------- */

static void what_was_written_behind_the_switch_supersedes_the_edit(void **state)
{
        struct left_search *f = *state;
        char *before;
        char *after;
        uint8_t byte;

        left_search_leave(f, LEFT_SWITCHED);
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512), 1);
        before = left_edit_snapshot(&f->left);
        assert_int_equal(left_search(f, true, false)->state, RECOVERY_WOULD_SUPERSEDE);
        after = left_edit_snapshot(&f->left);
        assert_string_equal(before, after);
        free(before);
        free(after);
        answers.check_error = -ENODEV;
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_SUPERSEDED);
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
        struct left_search *f = *state;
        struct journal_index *index;
        char found[8200] = "";

        left_edit_leave(&f->left, f->left.journal, &f->other, LEFT_APPLIED);
        assert_int_equal(left_search(f, false, false)->state, RECOVERY_SET_ASIDE);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        recovery_remember(&f->recovery, index);
        assert_int_equal(journal_index_wait(index), 0);
        journal_index_stop(index);
        while (wait(NULL) >= 0 || errno == EINTR)
                ;
        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_int_equal(journal_index_find(index, &f->other), 0);
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
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, left_search_set_up_answers,                \
                                        left_search_tear_down)
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
