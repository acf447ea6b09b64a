/* SPDX-License-Identifier: MIT */
/*
 * A journal's file in a directory on a tmpfs, and its image in memory; and recovery of
 * both, which may be cut off, or meet an error.
 */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_WORLD_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_WORLD_H

#include "fuzz/harness/journal_model.h"
#include "journal/read.h"

#define WORLD_WHOLE UINT32_MAX

struct journal_world {
        const struct journal_input *input;
        const struct journal_made *made;

        /* the journal's file, if it is there: what is made, but for sector 1 */
        bool is_there;
        uint8_t ending[512];
        uint8_t new_ending[512];
        bool ending_unsynced;
        bool unlink_unsynced;

        /* what the last recovery has done */
        struct recovery_item item; /* its texts are gone */
        uint32_t changes;          /* of the image and of the file, that were begun */
        bool met_fault;
        bool has_bytes;    /* the file, where it is there, is as said above */
        bool is_set_aside; /* it is, under a new name */

        struct journal_disk disk; /* the last member */
};

void journal_world_start(struct journal_world *world, const struct journal_input *input,
                         const struct journal_made *made);
void journal_world_copy(struct journal_world *to, const struct journal_world *from);

struct journal_how {
        bool dry_run;
        uint32_t cut; /* the change of that number, from 0, is not made, nor any later */
        uint32_t fault; /* the call of the image of that number, from 1, fails */
};

/* Recover as a new process does. */
void journal_world_recover(struct journal_world *world, struct journal_how how);

/* The process went, and so did the power; `chosen` is what is there then. */
void journal_world_lose_power(struct journal_world *world, uint64_t chosen);

/* The process went, and nothing else. */
void journal_world_keep_power(struct journal_world *world);

/* Of the image that recovery is about. */
struct journal_identity journal_world_identity(const struct journal_input *input);

/* The file, open for reading.  journal_world_close() it. */
int journal_world_open(const struct journal_world *world);
void journal_world_close(int fd);

#endif
