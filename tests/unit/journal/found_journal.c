/* SPDX-License-Identifier: MIT */
#include "found_journal.h"

#include <stdlib.h>

#include "cmocka_all.h"

int found_set_up(void **state)
{
        struct left_behind *left = malloc(sizeof *left);

        left_behind_create(left);
        *state = left;
        return 0;
}

int found_tear_down(void **state)
{
        left_behind_destroy(*state);
        free(*state);
        return 0;
}

struct journal_found *open_found(struct left_behind *left, bool read_only)
{
        struct journal_found *found;

        assert_int_equal(
            journal_found_open(left->place.path, &left->facts, read_only, &found), 0);
        return found;
}

void expect_state(struct left_behind *left, enum journal_state state)
{
        for (int read_only = 0; read_only < 2; read_only++) {
                struct journal_found *found = open_found(left, read_only);

                assert_int_equal(found->state, state);
                journal_found_close(found);
        }
}

void expect_untouched(struct left_behind *left, enum journal_state state)
{
        struct left_behind_look look;

        left_behind_look(left, &look);
        expect_state(left, state);
        assert_true(left_behind_is_unchanged(left, &look));
}
