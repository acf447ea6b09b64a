/* SPDX-License-Identifier: MIT */
/* A directory of its own for a test, and a journal in it. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_SCRATCH_H
#define INSTAR_TESTS_UNIT_JOURNAL_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

struct scratch {
        char path[4096]; /* of the directory, resolved */
};

/* Below the current directory (the build's, not a tmpfs), 0700. */
void scratch_create(struct scratch *scratch);

/* Below `parent`: a tmpfs, for tests that sync a thousand times. */
void scratch_create_in(struct scratch *scratch, const char *parent);
void scratch_remove(struct scratch *scratch);

/* DIRECTORY/name, in one of a few static buffers. */
const char *scratch_path(const struct scratch *scratch, const char *name);

/* A new file of `size` zeros; the open descriptor. */
int scratch_file(const struct scratch *scratch, const char *name, uint64_t size);

/* A place for a journal DIRECTORY/name, without looking at any image. */
void scratch_place(const struct scratch *scratch, const char *name,
                   struct journal_place *place);

/* The identity of the image that scratch_journal() is about: an invented one. */
void scratch_identity(struct journal_identity *identity);

/* A prepared journal there. */
struct journal *scratch_journal(const struct journal_place *place, const char *asked);

/* Open the journal's file for reading and writing. */
int scratch_open(const struct journal_place *place);

#endif
