/* SPDX-License-Identifier: MIT */
/* `instar check --all`: every interrupted edit that is known or found. */
#ifndef INSTAR_HOST_CLI_CHECK_ALL_H
#define INSTAR_HOST_CLI_CHECK_ALL_H

#include "host/cli/check_image.h"

/* A journal that may want to be dealt with. */
struct known_journal {
        char *path;  /* absolute */
        char *image; /* where its image was, as the index says; or NULL */
};

struct known_journals {
        struct known_journal *list; /* malloc'ed */
        size_t count;
        bool no_memory;
};

/* From the index; a failure is noted in run->places. */
void known_from_index(struct check_run *run, struct known_journals *known);

/* From a folder and everything below it, symbolic links not followed.  `failed` is called
 * with each path that cannot be read and its errno. */
void known_from_folder(const char *folder, struct known_journals *known,
                       void (*failed)(void *context, const char *path, int error),
                       void *context);

void known_release(struct known_journals *known);

/*
 * The image that a journal belongs to, by its identity: where the index says, where the
 * journal says, or beside it.  malloc'ed, or NULL: not found.  *found is the journal,
 * examined read-only, to be closed; NULL if it is gone or cannot be reached.
 */
char *known_image(const struct known_journal *journal, struct journal_found **found);

/* Is the folder of a journal there?  If not, its file system may not be mounted. */
bool known_is_reachable(const struct known_journal *journal);

/* The image somewhere in a folder, where it was moved to; malloc'ed, or NULL. */
char *known_image_in(const char *folder, const struct journal_found *found);

/* Put a journal that stays into the index, if it is hot and not there. */
void known_remember(struct check_run *run, const char *image_path,
                    const char *journal_path);

#endif
