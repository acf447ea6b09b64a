/* SPDX-License-Identifier: MIT */
/* Which directory keeps the program's state, and whose it has to be. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "in_child.h"
#include "journal/journal.h"
#include "scratch.h"

static int set_up(void **state)
{
        static struct scratch scratch;

        scratch_create(&scratch);
        *state = &scratch;
        return 0;
}

static int tear_down(void **state)
{
        scratch_remove(*state);
        return 0;
}

static void the_state_directory_follows_the_environment(void **state)
{
        char *path;
        (void)state;

        setenv("XDG_STATE_HOME", "/xdg", 1);
        setenv("HOME", "/home/user", 1);
        setenv("INSTAR_STATE_DIR", "/mine", 1);
        assert_int_equal(journal_state_directory(&path), 0);
        assert_string_equal(path, "/mine");
        free(path);
        setenv("INSTAR_STATE_DIR", "none", 1);
        assert_int_equal(journal_state_directory(&path), 0);
        assert_null(path);
        setenv("INSTAR_STATE_DIR", "relative", 1);
        assert_int_equal(journal_state_directory(&path), 0);
        assert_int_equal(path[0], '/');
        assert_string_equal(strrchr(path, '/'), "/relative");
        free(path);
}

static int state_directory_as_nobody(void *context)
{
        const char *const *expected = context;
        char *path;

        become_nobody();
        unsetenv("INSTAR_STATE_DIR");
        if (journal_state_directory(&path) != 0)
                return 1;
        if (!*expected || !path)
                return *expected == path ? 0 : 2;
        return strcmp(path, *expected) ? 3 : 0;
}

static void without_the_variable_it_is_the_users_own(void **state)
{
        const char *expected;
        char *path;
        (void)state;

        setenv("XDG_STATE_HOME", "/xdg", 1);
        setenv("HOME", "/home/user", 1);
        expected = "/xdg/instar";
        assert_int_equal(in_child(state_directory_as_nobody, &expected), 0);
        setenv("XDG_STATE_HOME", "relative is ignored", 1);
        expected = "/home/user/.local/state/instar";
        assert_int_equal(in_child(state_directory_as_nobody, &expected), 0);
        unsetenv("XDG_STATE_HOME");
        unsetenv("HOME");
        expected = NULL;
        assert_int_equal(in_child(state_directory_as_nobody, &expected), 0);
        if (geteuid() == 0) {
                unsetenv("INSTAR_STATE_DIR");
                assert_int_equal(journal_state_directory(&path), 0);
                assert_string_equal(path, "/var/lib/instar");
                free(path);
        }
}

static void a_state_directory_that_others_can_read_is_refused(void **state)
{
        const char *mine = scratch_path(*state, "home/state");

        assert_int_equal(journal_state_directory_prepare(mine), 0);
        assert_int_equal(chmod(mine, 0750), 0);
        assert_int_equal(journal_state_directory_prepare(mine), -EPERM);
        assert_int_equal(chmod(mine, 0700), 0);
        assert_int_equal(journal_state_directory_prepare(mine), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(mine, NOBODY, NOBODY), 0);
                assert_int_equal(journal_state_directory_prepare(mine), -EPERM);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_state_directory_follows_the_environment),
            cmocka_unit_test(without_the_variable_it_is_the_users_own),
            TEST(a_state_directory_that_others_can_read_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
