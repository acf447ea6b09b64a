/* SPDX-License-Identifier: MIT */
/*
 * Errors in the middle of a recovery, of the image or of the journal: it says so, the
 * journal stays hot, and a later one gives the old file (invariant 3).
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupted.h"
#include "system_calls.h"

/* One row of calls, of the image and of the system, of which one fails, or all from it
 * on. */
struct failing {
        unsigned int calls;
        unsigned int at; /* counted from 1; 0: none */
        bool for_ever;
        int error;
        char failed; /* the first call that did; 0: none */
        bool unlinked;
        size_t length;
        char log[4096];
};

static void note(struct failing *failing, char what)
{
        if (failing->length + 1 < sizeof failing->log)
                failing->log[failing->length++] = what;
        failing->log[failing->length] = '\0';
}

static int next_call(struct failing *failing, char what)
{
        failing->calls++;
        if (failing->at == 0 || failing->calls < failing->at ||
            (failing->calls > failing->at && !failing->for_ever)) {
                note(failing, what);
                return 0;
        }
        if (!failing->failed)
                failing->failed = what;
        return failing->error;
}

static int before_image_call(void *context, enum power_call call)
{
        return -next_call(context, "rWSTs"[call]);
}

static int before_system_call(void *context, const struct system_call_made *made)
{
        struct failing *failing = context;
        const uint8_t *bytes = made->bytes;
        int error;

        if (made->call == CALL_PWRITE)
                return next_call(failing, (char)('0' + bytes[ENDING_KIND]));
        error = next_call(failing, "?dfuxolp"[made->call]);
        failing->unlinked |= !error && made->call == CALL_UNLINKAT;
        return error;
}

static int set_up(void **state)
{
        struct interrupted *edit = malloc(sizeof *edit);

        interrupted_create(edit);
        *state = edit;
        return 0;
}

static int tear_down(void **state)
{
        system_calls_before = NULL;
        interrupted_destroy(*state);
        free(*state);
        return 0;
}

static int act(struct interrupted *edit, struct journal_found *found,
               struct failing *failing,
               int (*action)(struct journal_found *found, const struct image_io *io))
{
        struct image_io io = power_image_io(&edit->image);
        int error;

        edit->image.before = before_image_call;
        edit->image.context = failing;
        system_calls_before = before_system_call;
        system_calls_context = failing;
        error = action(found, &io);
        system_calls_before = NULL;
        edit->image.before = NULL;
        return error;
}

static int undo(struct interrupted *edit, struct journal_found *found,
                struct failing *failing)
{
        return act(edit, found, failing, journal_found_undo);
}

/* As the edit left it: image and journal. */
static void restore(struct interrupted *edit, uint32_t applied)
{
        const struct edit_journal *journal = &edit->edit.journals[edit->edit.batches];
        FILE *file = fopen(edit->place.path, "we");

        assert_int_equal(fwrite(journal->bytes, 1, journal->size, file), journal->size);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(edit->place.path, 0600), 0);
        edit->image.cache = edit->edit.before;
        edit->image.disk = edit->edit.before;
        edit->image.pending_count = 0;
        interrupted_apply(edit, applied);
}

/* What is changed and synced, without what is only read. */
static void expect_changes(const struct failing *failing, const char *expected)
{
        char changes[sizeof failing->log];
        size_t length = 0;

        for (const char *c = failing->log; *c; c++)
                if (*c != 'r' && *c != 's' && *c != 'p')
                        changes[length++] = *c;
        changes[length] = '\0';
        assert_string_equal(changes, expected);
}

static void expect_undone(struct interrupted *edit, const char *changes)
{
        struct failing none = {0};
        struct journal_found *found = interrupted_open(edit);

        assert_int_equal(undo(edit, found, &none), 0);
        journal_found_close(found);
        expect_changes(&none, changes);
        assert_true(power_files_equal(&edit->image.disk, &edit->edit.before));
}

/* The order that makes it safe: the mark, durable, before the first write; a sync
 * between two steps; the end, durable, after the last of them; the unlinking last. */
/* First the journal itself: it may be in the page cache only. */
static void recovery_marks_undoes_ends_and_unlinks_in_this_order(void **state)
{
        interrupted_apply(*state, 2);
        /* The switch looks old and is written; then 9, 4 and 6 of step 2, then 3. */
        expect_undone(*state, "d3dS"
                              "WS"
                              "WWWS"
                              "WS"
                              "TS"
                              "2duf");
}

/* A sync may have failed in the process that is gone.  Holes stay holes: the disk may be
 * full, and nothing refers to them.  Sector 4 is left to step 1, which it waits for. */
static void what_looks_old_is_written_once_more_but_for_holes(void **state)
{
        expect_undone(*state, "d3dS"
                              "WS"
                              "WS"
                              "WS"
                              "TS"
                              "2duf");
}

/* A later process: the journal is hot, or only its end was not reported. */
static void recover_later(struct interrupted *edit)
{
        struct journal_found *found;

        assert_int_equal(
            journal_found_open(edit->place.path, &edit->facts, false, &found), 0);
        if (found->state == JOURNAL_ENDED) {
                assert_int_equal(found->reader.ending, JOURNAL_ABORTED);
                assert_true(power_files_equal(&edit->image.disk, &edit->edit.before));
                assert_int_equal(journal_found_remove(found), 0);
        }
        journal_found_close(found);
        if (access(edit->place.path, F_OK) == 0)
                interrupted_expect_recovery(edit);
}

/* The number of the call that is the first sync of the image. */
static unsigned int number_of_first_sync(struct interrupted *edit)
{
        struct failing none = {0};
        struct journal_found *found;

        restore(edit, 0);
        found = interrupted_open(edit);
        assert_int_equal(undo(edit, found, &none), 0);
        journal_found_close(found);
        return (unsigned int)strcspn(none.log, "S") + 1;
}

/* The end is written down, or the journal is unlinked: one is enough. */
static bool made_no_difference(const struct failing *failing)
{
        return !failing->failed || failing->failed == 'u' || failing->unlinked;
}

static void fail_at(struct interrupted *edit, struct failing *failing, bool same_process,
                    unsigned int first_sync)
{
        struct failing none = {0};
        struct journal_found *found = interrupted_open(edit);
        int error = undo(edit, found, failing);

        /* What the first sync reports may be of the edit's own writes. */
        if (made_no_difference(failing) ||
            (failing->at == first_sync && !failing->for_ever))
                assert_int_equal(error, 0);
        else
                assert_int_equal(error, -failing->error);
        if (error && same_process)
                assert_int_equal(undo(edit, found, &none), 0);
        journal_found_close(found);
        if (error && !same_process)
                recover_later(edit);
        assert_true(power_files_equal(&edit->image.disk, &edit->edit.before));
}

static void fail_each_call(struct interrupted *edit, uint32_t applied,
                           const struct failing *how, bool same_process)
{
        unsigned int first_sync = number_of_first_sync(edit);
        struct failing failing;
        unsigned int at = 0;

        do {
                failing = *how;
                failing.at = ++at;
                restore(edit, applied);
                fail_at(edit, &failing, same_process, first_sync);
        } while (failing.calls >= at);
        assert_true(at > 20);
}

/* In whatever state the edit is. */
static void fail_everywhere(struct interrupted *edit, bool for_ever, bool same_process,
                            int error)
{
        const struct failing how = {.for_ever = for_ever, .error = error};

        for (uint32_t applied = 0; applied < INTERRUPTED_SWITCH; applied++)
                fail_each_call(edit, applied, &how, same_process);
}

static void any_call_that_fails_once_is_made_good(void **state)
{
        fail_everywhere(*state, false, false, EIO);
        fail_everywhere(*state, false, false, ENOSPC);
        fail_everywhere(*state, false, true, EIO); /* the same process tries again */
}

static void any_call_that_goes_on_failing_is_made_good_when_it_ends(void **state)
{
        fail_everywhere(*state, true, false, EIO);
        fail_everywhere(*state, true, false, ENOSPC);
        fail_everywhere(*state, true, true, EIO);
}

static void fail_twice(struct interrupted *edit, struct failing *first,
                       struct failing *second)
{
        struct failing *failing[] = {first, second};
        int error = -1;

        restore(edit, 2);
        for (size_t i = 0; i < 2 && error; i++) {
                struct journal_found *found;

                assert_int_equal(
                    journal_found_open(edit->place.path, &edit->facts, false, &found), 0);
                if (found->state == JOURNAL_HOT)
                        error = undo(edit, found, failing[i]);
                journal_found_close(found);
        }
        if (error)
                recover_later(edit);
        assert_true(power_files_equal(&edit->image.disk, &edit->edit.before));
}

static void two_failed_recoveries_are_made_good_by_the_third(void **state)
{
        struct failing first = {0};
        unsigned int pairs = 0;

        do {
                struct failing second = {0};
                unsigned int at = first.at + 1;

                do {
                        first = (struct failing){.at = at, .error = EIO};
                        second = (struct failing){.at = second.at + 1, .error = EIO};
                        fail_twice(*state, &first, &second);
                        pairs++;
                } while (second.calls >= second.at);
        } while (first.calls >= first.at);
        assert_true(pairs > 400);
}

/* Whoever looks at the journal is told before anything changes. */
static void nothing_is_written_where_the_mark_is_not_durable(void **state)
{
        struct interrupted *edit = *state;

        for (unsigned int at = 1; at <= 2; at++) {
                struct failing failing = {.at = at, .for_ever = true, .error = ENOSPC};
                struct journal_found *found;
                struct power_file before;

                restore(edit, 2);
                before = edit->image.cache;
                found = interrupted_open(edit);
                assert_int_equal(undo(edit, found, &failing), -ENOSPC);
                journal_found_close(found);
                assert_int_equal(failing.calls, at);
                assert_true(power_files_equal(&edit->image.cache, &before));
                assert_int_equal(edit->image.pending_count, 0);
                interrupted_expect_recovery(edit);
        }
}

static void expect_gone_or_ended(struct interrupted *edit, bool is_there,
                                 enum journal_end end)
{
        struct journal_found *found;

        assert_int_equal(access(edit->place.path, F_OK), is_there ? 0 : -1);
        if (!is_there)
                return;
        assert_int_equal(
            journal_found_open(edit->place.path, &edit->facts, false, &found), 0);
        assert_int_equal(found->state, JOURNAL_ENDED);
        assert_int_equal(found->reader.ending, end);
        journal_found_close(found);
}

/* The switch is made durable before the journal goes. */
static void a_complete_edit_is_made_sure_of_whatever_fails(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        struct failing failing = {0};
        struct power_file after;

        do {
                struct journal_found *found;
                int error;

                restore(edit, INTERRUPTED_SWITCH - 1);
                edit_apply_step(&edit->edit, &io, INTERRUPTED_SWITCH, SIZE_MAX);
                after = edit->image.cache;
                found = interrupted_open(edit);
                failing = (struct failing){.at = failing.at + 1, .error = EIO};
                error = act(edit, found, &failing, journal_found_complete);
                assert_int_equal(error, made_no_difference(&failing) ? 0 : -EIO);
                if (error)
                        assert_int_equal(act(edit, found, &(struct failing){0},
                                             journal_found_complete),
                                         0);
                journal_found_close(found);
                assert_true(power_files_equal(&edit->image.disk, &after));
                expect_gone_or_ended(edit, failing.failed == 'u', JOURNAL_DONE);
        } while (failing.calls >= failing.at);
        expect_changes(&failing, "WS1duf");
}

static void an_edit_without_its_switch_is_never_completed(void **state)
{
        struct interrupted *edit = *state;
        struct failing none = {0};
        struct journal_found *found;

        interrupted_apply(edit, INTERRUPTED_SWITCH - 1);
        found = interrupted_open(edit);
        assert_int_equal(act(edit, found, &none, journal_found_complete), -ESTALE);
        expect_changes(&none, "");
        journal_found_close(found);
        interrupted_expect_recovery(edit);
}

/* An error while judging is no verdict. */
static void an_image_that_cannot_be_read_is_not_judged(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        struct journal_found *found;
        struct failing failing = {0};
        enum journal_verdict verdict;

        interrupted_apply(edit, 2);
        found = interrupted_open(edit);
        edit->image.before = before_image_call;
        edit->image.context = &failing;
        do {
                failing = (struct failing){.at = failing.at + 1, .error = EIO};
                if (journal_found_judge(found, &io, &verdict) == 0)
                        break;
                assert_int_equal(failing.calls, failing.at);
        } while (failing.at < 100);
        assert_int_equal(failing.calls, failing.at - 1);
        assert_true(failing.calls >= 8);
        edit->image.before = NULL;
        journal_found_close(found);
        interrupted_expect_recovery(edit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(recovery_marks_undoes_ends_and_unlinks_in_this_order),
            TEST(what_looks_old_is_written_once_more_but_for_holes),
            TEST(any_call_that_fails_once_is_made_good),
            TEST(any_call_that_goes_on_failing_is_made_good_when_it_ends),
            TEST(two_failed_recoveries_are_made_good_by_the_third),
            TEST(nothing_is_written_where_the_mark_is_not_durable),
            TEST(a_complete_edit_is_made_sure_of_whatever_fails),
            TEST(an_edit_without_its_switch_is_never_completed),
            TEST(an_image_that_cannot_be_read_is_not_judged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
