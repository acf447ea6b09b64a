/* SPDX-License-Identifier: MIT */
/*
 * A journal's file, and the image that goes with it, as an input says.  Written from
 * docs/journal-format.md; shares with journal/ the checksums alone.
 */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_MAKE_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_MAKE_H

#include "fuzz/harness/journal_disk.h"
#include "journal/journal.h"

struct journal_made {
        uint8_t bytes[JOURNAL_INPUT_MAX_JOURNAL];
        uint64_t length; /* of them */
        uint64_t size;   /* of the file: more is a hole */

        struct journal_file before; /* the image, before the edit */
        struct journal_file after;  /* and when all of the edit is done */

        /* An edit that keeps the rules may have left both, so that invariant 2 holds. */
        bool genuine;
};

/* The identity of the image that journals are about. */
extern const struct journal_identity journal_made_identity;

void journal_make(const struct journal_input *input, struct journal_made *made,
                  struct journal_disk *disk);

#endif
