/* SPDX-License-Identifier: MIT */
#include "host/cli/journal_places.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/cli/environment.h"
#include "journal/journal.h"

/* Looking makes nothing: without an index there is nothing to ask. */
static bool index_exists(const char *state_directory)
{
        char *path;
        bool exists;

        if (!state_directory || asprintf(&path, "%s/index", state_directory) < 0)
                return false;
        exists = access(path, F_OK) == 0;
        free(path);
        return exists;
}

/* So that a journal in it has one path, however it is come by. */
static void resolve(char **path)
{
        char *resolved = *path ? realpath(*path, NULL) : NULL;

        if (resolved) {
                free(*path);
                *path = resolved;
        }
}

int journal_places_start(struct journal_places *places, const char *directory)
{
        int error;

        *places = (struct journal_places){.journal_directory =
                                              environment_journal_directory(directory)};
        error = journal_state_directory(&places->state_directory);
        if (error)
                return error;
        resolve(&places->state_directory);
        if (index_exists(places->state_directory))
                places->index_error =
                    journal_index_start(places->state_directory, &places->index);
        return 0;
}

/* The index is a help, not a condition: its failure is a warning. */
static int search_by_index(struct journal_places *places, struct recovery *recovery)
{
        int status = journal_index_find(places->index, &recovery->facts.identity);

        if (status == 0)
                status = journal_index_found(places->index, recovery_at_index, recovery);
        if (recovery->error)
                return recovery->error;
        if (status < 0 && !places->index_error)
                places->index_error = status;
        return status < 0 ? 0 : status;
}

int journal_places_search(struct journal_places *places, const struct image *image,
                          const char *journal, struct recovery *recovery)
{
        const struct journal_search search = {
            .resolved_path = image->resolved_path,
            .journal_directory = places->journal_directory,
            .state_directory = places->state_directory,
        };
        int status = recovery_search(recovery, search);

        if (status == 0 && journal)
                status = recovery_at_index(recovery, journal);
        if (status == 0)
                status = search_by_index(places, recovery);
        return status;
}

void journal_places_stop(struct journal_places *places)
{
        journal_index_stop(places->index);
        free(places->state_directory);
        *places = (struct journal_places){0};
}
