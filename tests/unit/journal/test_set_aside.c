/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a journal's file: removed, durably, or given another name, under
 * which nothing was and nothing is lost.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "left_behind.h"
#include "system_calls.h"

struct calls {
        enum system_call fails;
        int error; /* 0: none fails */
        char log[16];
        size_t length;
};

static int before_system_call(void *context, const struct system_call_made *made)
{
        struct calls *calls = context;

        calls->log[calls->length++] = "wdfuxolr"[made->call];
        return made->call == calls->fails ? calls->error : 0;
}

static void watch(struct calls *calls)
{
        system_calls_context = calls;
        system_calls_before = before_system_call;
}

static int set_up(void **state)
{
        struct left_behind *left = malloc(sizeof *left);

        left_behind_create(left);
        left_behind_leave(left, LEFT_AT_BATCH);
        *state = left;
        return 0;
}

static int tear_down(void **state)
{
        system_calls_before = NULL;
        left_behind_destroy(*state);
        free(*state);
        return 0;
}

/* The journal that was left, under another name in the same directory. */
static struct journal_found *open_as(struct left_behind *left, const char *name)
{
        const char *path = scratch_path(&left->scratch, name);
        struct journal_found *found;

        assert_int_equal(rename(left->place.path, path), 0);
        assert_int_equal(journal_found_open(path, NULL, false, &found), 0);
        assert_int_equal(found->state, JOURNAL_HOT);
        return found;
}

static bool is_there(const char *path)
{
        return access(path, F_OK) == 0;
}

/* ---- removed ------------------------------------------------------------------- */

static void a_journal_is_removed_durably(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found = open_as(left, "disk.instar-journal");
        struct calls calls = {0};

        watch(&calls);
        assert_int_equal(journal_found_remove(found), 0);
        assert_string_equal(calls.log, "uf");
        assert_false(is_there(found->path));
        journal_found_close(found);
}

static void a_removal_that_fails_is_told(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found = open_as(left, "disk.instar-journal");
        struct calls calls = {.fails = CALL_UNLINKAT, .error = EROFS};

        watch(&calls);
        assert_int_equal(journal_found_remove(found), -EROFS);
        assert_true(is_there(found->path));
        calls = (struct calls){.fails = CALL_FSYNC, .error = EIO};
        assert_int_equal(journal_found_remove(found), -EIO);
        journal_found_close(found);
}

/* ---- set aside ----------------------------------------------------------------------
 */

/* What is left of a name's 255 bytes beside a dot, the transaction and the suffix. */
#define STEM_MAX (255u - 1 - 32 - (sizeof JOURNAL_SUFFIX - 1))

/* `stem` and the suffix is its name; `kept` is what of the stem is in the new one. */
static void expect_name(struct left_behind *left, const char *stem, const char *suffix,
                        const char *kept)
{
        char name[512];
        char expected[512];
        char *path;
        struct journal_found *found;

        snprintf(name, sizeof name, "%s%s", stem, suffix);
        found = open_as(left, name);
        snprintf(expected, sizeof expected, "%s%s%s%s", kept, *kept ? "." : "",
                 found->transaction, JOURNAL_SUFFIX);
        assert_int_equal(journal_found_set_aside(found, &path), 0);
        assert_string_equal(path, scratch_path(&left->scratch, expected));
        assert_true(is_there(path));
        assert_false(is_there(found->path));
        assert_int_equal(rename(path, left->place.path), 0); /* for the next one */
        free(path);
        journal_found_close(found);
}

static char *repeated(char c, size_t count)
{
        static char text[256];

        memset(text, c, count);
        text[count] = '\0';
        return text;
}

static void the_new_name_has_the_image_and_the_transaction(void **state)
{
        expect_name(*state, "disk.qcow2", JOURNAL_SUFFIX, "disk.qcow2");
        expect_name(*state, "%s%n", JOURNAL_SUFFIX, "%s%n");
        expect_name(*state, "a.instar-journal", JOURNAL_SUFFIX, "a.instar-journal");
        expect_name(*state, "renamed by hand", "", "renamed by hand");
        expect_name(*state, repeated('i', STEM_MAX), JOURNAL_SUFFIX,
                    repeated('i', STEM_MAX));
}

static void an_image_with_a_long_name_leaves_the_transaction_alone(void **state)
{
        expect_name(*state, repeated('i', STEM_MAX + 1), JOURNAL_SUFFIX, "");
        expect_name(*state, repeated('i', 240), JOURNAL_SUFFIX, "");
        expect_name(*state, repeated('i', 250), "", "");
}

static void set_aside_is_durable(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found = open_as(left, "disk.instar-journal");
        struct calls calls = {0};
        char *path;

        watch(&calls);
        assert_int_equal(journal_found_set_aside(found, &path), 0);
        assert_string_equal(calls.log, "xf");
        free(path);
        journal_found_close(found);
}

static void expect_kept(struct left_behind *left, struct journal_found *found, int error)
{
        struct left_behind_look look;
        char *path = (char *)left;

        left_behind_look(left, &look);
        assert_int_equal(journal_found_set_aside(found, &path), error);
        assert_null(path);
        assert_true(left_behind_is_unchanged(left, &look));
}

/* Also where the file system cannot rename without replacing. */
static void what_has_the_new_name_already_is_not_replaced(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found = open_as(left, "disk.instar-journal");
        struct calls calls = {.fails = CALL_RENAMEAT2, .error = EINVAL};
        char name[300];
        char *path;

        snprintf(name, sizeof name, "disk.%s%s", found->transaction, JOURNAL_SUFFIX);
        close(scratch_file(&left->scratch, name, 77));
        expect_kept(left, found, -EEXIST);
        watch(&calls);
        expect_kept(left, found, -EEXIST);
        assert_int_equal(unlink(scratch_path(&left->scratch, name)), 0);
        assert_int_equal(symlink("nothing", scratch_path(&left->scratch, name)), 0);
        expect_kept(left, found, -EEXIST);
        assert_int_equal(unlink(scratch_path(&left->scratch, name)), 0);
        assert_int_equal(journal_found_set_aside(found, &path), 0);
        assert_true(is_there(path));
        free(path);
        journal_found_close(found);
}

static void a_renaming_that_fails_is_told(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found = open_as(left, "disk.instar-journal");
        struct calls calls = {.fails = CALL_RENAMEAT2, .error = EROFS};
        char *path;

        watch(&calls);
        expect_kept(left, found, -EROFS);
        calls = (struct calls){.fails = CALL_FSYNC, .error = EIO};
        assert_int_equal(journal_found_set_aside(found, &path), -EIO);
        assert_null(path);
        journal_found_close(found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_journal_is_removed_durably),
            TEST(a_removal_that_fails_is_told),
            TEST(the_new_name_has_the_image_and_the_transaction),
            TEST(an_image_with_a_long_name_leaves_the_transaction_alone),
            TEST(set_aside_is_durable),
            TEST(what_has_the_new_name_already_is_not_replaced),
            TEST(a_renaming_that_fails_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
