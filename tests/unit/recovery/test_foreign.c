/* SPDX-License-Identifier: MIT */
/*
 * Another program has written since the edit was interrupted: theirs is the truth if the
 * checker finds it sound, and nothing of it is touched in any case (invariant 7).
 */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "left_search.h"
#include "tests/unit/journal/system_calls.h"

/* ---- what shows that somebody else has written ------------------------------------ */

static void another_size(struct left_search *f)
{
        assert_int_equal(ftruncate(f->left.image.fd, LEFT_FINAL_SIZE + 1), 0);
}

static void another_content(struct left_search *f)
{
        assert_int_equal(pwrite(f->left.image.fd, "x", 1, 3 * 512 + 7), 1);
}

static void a_reference(struct left_search *f)
{
        (void)f;
        answers.proof = RECOVERY_REFERENCED;
}

/* Nobody knows whether it has: it is treated as if. */
static void no_proof(struct left_search *f)
{
        (void)f;
        answers.proof = RECOVERY_UNPROVABLE;
}

static const struct sign {
        void (*leave)(struct left_search *f);
        const char *reason;
        unsigned int proofs;
} signs[] = {
    {another_size, "it has a size that the edit did not give it", 0},
    {another_content, "it holds bytes that are not the edit's", 0},
    {a_reference, "it uses clusters that the edit had taken", 1},
    {no_proof, "it may use clusters that the edit had taken", 1},
};

static void leave(struct left_search *f, const struct sign *sign)
{
        answers.proof = RECOVERY_PROVED;
        left_search_leave(f, LEFT_APPLIED);
        sign->leave(f);
}

/* The examiner is asked, and nothing changes. */
static const struct recovery_item *expect_unchanged(struct left_search *f, bool dry_run,
                                                    enum recovery_state state)
{
        char *before = left_edit_snapshot(&f->left);
        const struct recovery_item *item = left_search(f, dry_run, false);
        char *after = left_edit_snapshot(&f->left);

        assert_string_equal(before, after);
        free(before);
        free(after);
        assert_int_equal(item->state, state);
        assert_int_equal(answers.checks, 1);
        return item;
}

/* ---- sound ---------------------------------------------------------------------------
 */

static void a_sound_image_stands_and_its_journal_goes(void **state)
{
        struct left_search *f = *state;

        for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
                const struct recovery_item *item;
                char left[LEFT_FINAL_SIZE + 2];
                char now[sizeof left];
                ssize_t size;

                leave(f, &signs[i]);
                item = expect_unchanged(f, true, RECOVERY_WOULD_SUPERSEDE);
                assert_string_equal(item->reason, signs[i].reason);
                assert_int_equal(answers.proofs, signs[i].proofs);
                size = pread(f->left.image.fd, left, sizeof left, 0);
                item = left_search(f, false, false);
                assert_int_equal(item->state, RECOVERY_SUPERSEDED);
                assert_string_equal(item->reason, signs[i].reason);
                assert_null(item->finding);
                assert_int_equal(answers.checks, 1);
                assert_int_equal(pread(f->left.image.fd, now, sizeof now, 0), size);
                assert_memory_equal(now, left, (size_t)size);
                assert_false(is_there(f->left.journal));
        }
}

/* ---- not sound -----------------------------------------------------------------------
 */

static void an_image_that_is_not_found_sound_stops(void **state)
{
        static const struct {
                enum recovery_soundness soundness;
                const char *finding;
        } rows[] = {
            {RECOVERY_CORRUPT, "it is corrupt"},
            {RECOVERY_UNCHECKABLE, "it is so damaged that it cannot be checked"},
            {RECOVERY_TOO_LARGE, "it is too large to be checked with so little memory"},
        };
        struct left_search *f = *state;

        for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
                leave(f, &signs[i]);
                for (size_t j = 0; j < 2 * sizeof rows / sizeof rows[0]; j++) {
                        const struct recovery_item *item;

                        answers.soundness = rows[j / 2].soundness;
                        item = expect_unchanged(f, j % 2, RECOVERY_CONFLICT);
                        assert_string_equal(item->reason, signs[i].reason);
                        assert_string_equal(item->finding, rows[j / 2].finding);
                        assert_int_equal(item->error, 0);
                }
        }
}

/* Whatever the checker has left in its answer. */
static void a_check_that_was_not_made_is_a_failure(void **state)
{
        struct left_search *f = *state;

        for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
                leave(f, &signs[i]);
                answers.check_error = -ENODEV;
                for (int j = RECOVERY_SOUND; j <= RECOVERY_TOO_LARGE; j++) {
                        const struct recovery_item *item;

                        answers.soundness = (enum recovery_soundness)j;
                        item = expect_unchanged(f, false, RECOVERY_FAILED);
                        assert_int_equal(item->error, -ENODEV);
                        assert_non_null(strstr(item->reason, "not checked"));
                }
                answers.check_error = 0;
                answers.soundness = RECOVERY_SOUND;
                assert_int_equal(left_search(f, false, false)->state,
                                 RECOVERY_SUPERSEDED);
        }
}

/* For `instar info`, and for the first look of `instar check`. */
static void without_an_examiner_it_is_a_conflict_that_nobody_has_checked(void **state)
{
        struct left_search *f = *state;

        f->examiner = NULL;
        for (size_t i = 0; i < 2; i++) {
                const struct recovery_item *item;

                leave(f, &signs[i]);
                item = left_search(f, true, false);
                assert_int_equal(item->state, RECOVERY_CONFLICT);
                assert_string_equal(item->reason, signs[i].reason);
                assert_null(item->finding);
                assert_int_equal(answers.checks, 0);
        }
}

/* ---- durable first -------------------------------------------------------------------
 */

struct order {
        int image_fd;
        bool synced;
        bool fails;
};

static int watch(void *context, const struct system_call_made *made)
{
        struct order *order = context;

        if (made->fd == order->image_fd) {
                assert_int_equal(made->call == CALL_PWRITE, 0);
                order->synced |= made->call == CALL_FDATASYNC && !order->fails;
                return made->call == CALL_FDATASYNC && order->fails ? EIO : 0;
        }
        if (made->call == CALL_PWRITE || made->call == CALL_UNLINKAT)
                assert_true(order->synced);
        return 0;
}

static void what_stands_is_durable_before_the_journal_goes(void **state)
{
        struct left_search *f = *state;
        struct order order = {.image_fd = f->left.image.fd, .fails = true};
        const struct recovery_item *item;

        leave(f, &signs[1]);
        system_calls_context = &order;
        system_calls_before = watch;
        item = left_search(f, false, false);
        assert_int_equal(item->state, RECOVERY_FAILED);
        assert_int_equal(item->error, -EIO);
        assert_null(item->reason);
        assert_true(is_there(f->left.journal));
        order.fails = false;
        item = left_search(f, false, false);
        assert_int_equal(item->state, RECOVERY_SUPERSEDED);
        assert_true(order.synced);
        assert_false(is_there(f->left.journal));
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, left_search_set_up_answers,                \
                                        left_search_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_sound_image_stands_and_its_journal_goes),
            TEST(an_image_that_is_not_found_sound_stops),
            TEST(a_check_that_was_not_made_is_a_failure),
            TEST(without_an_examiner_it_is_a_conflict_that_nobody_has_checked),
            TEST(what_stands_is_durable_before_the_journal_goes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
