/* SPDX-License-Identifier: MIT */
/* The edit whose journal is made: what it changes, and what it has written so far. */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_PLAN_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_PLAN_H

#include "fuzz/harness/journal_batch.h"

/* One sector of one change. */
struct journal_planned {
        uint32_t change; /* its number, from 0 */
        uint32_t step;
        uint32_t sector;
        uint8_t content[512];
};

#define JOURNAL_PLAN_SECTORS (JOURNAL_INPUT_PIECES * JOURNAL_INPUT_SECTORS)

struct journal_plan {
        const struct journal_input *input;
        struct journal_made *made;
        struct journal_batch batch;
        uint32_t step; /* of the last change; 0: none yet */
        uint32_t first_step;
        bool switched; /* nothing may come behind it */
        uint32_t changes;
        uint32_t closed_changes; /* those of closed batches */
        uint32_t count;
        struct journal_planned planned[JOURNAL_PLAN_SECTORS];
};

/* A change, its record, and made->after. */
void journal_plan_change(struct journal_plan *plan, const struct journal_piece *piece);

/* What the edit has written, as the input says. */
void journal_plan_apply(const struct journal_plan *plan, struct journal_disk *disk);

/* Content that is the same for the same number, and else another. */
void journal_plan_fill(uint8_t content[512], uint64_t number);

#endif
