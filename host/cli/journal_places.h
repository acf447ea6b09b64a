/* SPDX-License-Identifier: MIT */
/* Where undo journals of an image may lie, for commands that deal with them or tell. */
#ifndef INSTAR_HOST_CLI_JOURNAL_PLACES_H
#define INSTAR_HOST_CLI_JOURNAL_PLACES_H

#include "host/recovery/recovery.h"

struct journal_places {
        const char *journal_directory; /* or NULL */
        char *state_directory;         /* or NULL */
        struct journal_index *index;   /* or NULL */
        int index_error; /* the first one; a help is missing then, no condition */
};

/*
 * `directory` is what --journal-dir said, or NULL.  Starts the index's child where there
 * is an index; nothing is made.  0 or -ENOMEM.
 */
int journal_places_start(struct journal_places *places, const char *directory);

/*
 * Deal with every journal of the image that is found, as recovery_search() does; then the
 * same for `journal`, if that is not NULL, and for what the index knows.
 */
int journal_places_search(struct journal_places *places, const struct image *image,
                          const char *journal, struct recovery *recovery);

void journal_places_stop(struct journal_places *places);

#endif
