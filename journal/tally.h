/* SPDX-License-Identifier: MIT */
/* How much a journal's closed batches change: what every report of it tells. */
#ifndef INSTAR_JOURNAL_TALLY_H
#define INSTAR_JOURNAL_TALLY_H

#include "journal/read.h"

struct journal_tally {
        uint64_t extents; /* runs of sectors, in the order of the records */
        uint64_t bytes;   /* in them */
        uint64_t end;     /* of the last run, in the image */
};

/* Take in a change; one that goes on where the last one ended is of the same extent. */
static inline void journal_tally_add(struct journal_tally *tally,
                                     const struct journal_record *change)
{
        uint64_t length = (uint64_t)change->change.sectors * JOURNAL_SECTOR;

        tally->extents += change->change.offset != tally->end || tally->extents == 0;
        tally->bytes += length;
        tally->end = change->change.offset + length;
}

#endif
