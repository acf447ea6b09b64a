/* SPDX-License-Identifier: MIT */
/* The frame of a journal's file that is made: sectors, batches, records in them. */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_BATCH_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_BATCH_H

#include "fuzz/harness/journal_make.h"

struct journal_batch {
        struct journal_made *made;
        uint64_t tag;
        uint64_t sequence;
        uint64_t previous;
        uint32_t number;
        uint64_t count; /* of the open batch's records */
        uint64_t first; /* its first sector */
        uint64_t last;  /* where its last record begins in the payload */
        uint64_t fill;
        uint8_t payload[JOURNAL_INPUT_MAX_JOURNAL];
};

/* Header, sector 1, and the record of what was asked. */
void journal_batch_begin(struct journal_batch *batch, struct journal_made *made,
                         const struct journal_input *input);

/* Room for a record of `size` bytes, zeros but for what all have; NULL: there is none. */
uint8_t *journal_batch_record(struct journal_batch *batch, uint32_t kind, uint64_t size);

/* With other numbers than it should have, by so much. */
void journal_batch_close(struct journal_batch *batch, uint64_t more_records,
                         uint32_t more_batches);

/* What is left of a batch that was not closed reaches the file. */
void journal_batch_end(struct journal_batch *batch);

#endif
