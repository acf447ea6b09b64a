/* SPDX-License-Identifier: MIT */
/* What an interrupted edit has left, and searches for it, again and again. */
#ifndef INSTAR_TESTS_UNIT_RECOVERY_LEFT_SEARCH_H
#define INSTAR_TESTS_UNIT_RECOVERY_LEFT_SEARCH_H

#include <sys/types.h>

#include "answers.h"
#include "left_edit.h"

struct left_search {
        struct left_edit left;
        struct recovery recovery;
        const struct recovery_examiner *examiner;
        struct journal_identity other; /* of another file */
        char state[4200];              /* the state directory */
        char in_state[4400];           /* where the journal of this image is there */
};

/* Of cmocka.  The edit had taken nothing, and whoever asks the examiner fails the test.
 */
int left_search_set_up(void **state);

/* The examiner is answers_examiner, and the edit had taken left_edit_claims. */
int left_search_set_up_answers(void **state);
int left_search_tear_down(void **state);

/* Overwrite a byte. */
void patch_at(const char *path, off_t at);

/* What an edit that came so far leaves beside the image. */
void left_search_leave(struct left_search *f, enum left_at at);

/* Beside the image, and in the state directory. */
struct journal_search left_search_places(const struct left_search *f);

/* A recovery that has found nothing yet. */
void left_search_begin(struct left_search *f, bool dry_run, bool discard);

/* Begin and search; the one item that there is, of the journal beside the image.  The
 * counts of answers are those of this search. */
const struct recovery_item *left_search(struct left_search *f, bool dry_run,
                                        bool discard);

bool is_there(const char *path);

#endif
