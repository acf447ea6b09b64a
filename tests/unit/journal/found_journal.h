/* SPDX-License-Identifier: MIT */
/* What tests of a found journal share: one that is left behind, opened as recovery does.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_FOUND_JOURNAL_H
#define INSTAR_TESTS_UNIT_JOURNAL_FOUND_JOURNAL_H

#include "left_behind.h"

/* Of cmocka: *state is a struct left_behind. */
int found_set_up(void **state);
int found_tear_down(void **state);

struct journal_found *open_found(struct left_behind *left, bool read_only);

/* In this state, whether or not anything may be changed. */
void expect_state(struct left_behind *left, enum journal_state state);

/* The same of a file that is there, which stays as it is. */
void expect_untouched(struct left_behind *left, enum journal_state state);

#endif
