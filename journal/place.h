/* SPDX-License-Identifier: MIT */
/* Inside the library: the names of journals. */
#ifndef INSTAR_JOURNAL_PLACE_H
#define INSTAR_JOURNAL_PLACE_H

#include <stddef.h>

#include "journal/journal.h"

/* The directory's path and the journal's name for a journal beside the image; both
 * malloc'ed.  -ENAMETOOLONG where the file system could not hold the name. */
int place_beside(const char *resolved_path, char **directory, char **name);

/* The name of a journal anywhere else: the identity's digest and the suffix. */
void place_identity_name(const struct journal_identity *identity, char *name,
                         size_t size);

/* STATE_DIR/journals, malloc'ed; NULL if there is no memory. */
char *place_state_journals(const char *state_directory);

#endif
