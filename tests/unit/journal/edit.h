/* SPDX-License-Identifier: MIT */
/*
 * An edit as the host makes it: planned and journaled batch by batch, then applied step
 * by step, the switch alone in the last one.  It keeps what it plans, so that any part
 * can be applied, and any state of a file judged.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_EDIT_H
#define INSTAR_TESTS_UNIT_JOURNAL_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/journal.h"
#include "power_image.h"

#define EDIT_CHANGES_MAX 24u
#define EDIT_BATCHES_MAX 6u

struct edit_change {
        uint32_t step;
        uint32_t batch;
        bool is_switch;
        enum journal_old old;
        uint64_t sector;
        uint64_t sectors;
        uint8_t content[POWER_SECTORS * 512u];
};

/* The journal's file as it is when a batch has been closed. */
struct edit_journal {
        size_t size;
        uint8_t *bytes;
};

struct edit {
        uint64_t final_size;
        unsigned int seed;
        bool zeros; /* what is planned, instead of random content */
        struct power_file before;
        struct power_file after; /* as planned so far */
        size_t count;
        struct edit_change changes[EDIT_CHANGES_MAX];
        uint32_t steps;
        uint32_t batches;                                   /* closed ones */
        struct edit_journal journals[EDIT_BATCHES_MAX + 1]; /* [0]: without a batch */

        const struct journal_place *place;
        struct journal *journal;
};

/* Begin it: the journal is made at `place`. */
void edit_begin(struct edit *edit, const struct journal_place *place,
                const struct power_file *before, uint64_t final_size, unsigned int seed);

/* Plan and journal a change to random content. */
void edit_plan(struct edit *edit, uint32_t step, uint64_t sector, uint64_t sectors,
               enum journal_old old);
void edit_plan_switch(struct edit *edit, uint32_t step, uint64_t sector);
void edit_plan_zero_switch(struct edit *edit, uint32_t step, uint64_t sector);

void edit_close_batch(struct edit *edit);

/* The writer is gone; the journal stays as it is. */
void edit_abandon(struct edit *edit);

void edit_release(struct edit *edit);

/* The writes of one step, as many of its sectors as `limit`, not synced; before those of
 * the first step the one change of the size. */
void edit_apply_step(const struct edit *edit, const struct image_io *io, uint32_t step,
                     size_t limit);
void edit_apply_steps(const struct edit *edit, const struct image_io *io, uint32_t last);

/* How many sectors a step writes. */
size_t edit_step_sectors(const struct edit *edit, uint32_t step);

/* The last batch that step needs to be closed. */
uint32_t edit_step_batch(const struct edit *edit, uint32_t step);

/*
 * Whether a file is one that the edit itself can have gone through: inside the old size
 * all steps before some step are there, of that one any sectors, of later ones none;
 * behind it absent, zeros, or one of the new contents; its size between the two.
 */
bool edit_went_through(const struct edit *edit, const struct power_file *file);

#endif
