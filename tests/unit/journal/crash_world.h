/* SPDX-License-Identifier: MIT */
/*
 * What a crash has left of an edit: an image, its journal, and what of both was not
 * synced.  Recovery runs in it, whole or cut off before any of its changes, and then the
 * power may go.
 *
 * The journal's bytes are kept here and put into a file, on a tmpfs, for each run; what
 * becomes of them is seen at the system calls.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_CRASH_WORLD_H
#define INSTAR_TESTS_UNIT_JOURNAL_CRASH_WORLD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "edit.h"
#include "journal/found.h"
#include "power_image.h"

#define CRASH_WHOLE UINT_MAX

struct crash_world {
        const struct edit *edit;

        const struct edit_journal *journal; /* its bytes, but for sector 1 */
        uint8_t ending[512];                /* sector 1, durable */
        uint8_t new_ending[512];
        bool ending_pending;
        bool unlinked;
        bool unlink_pending;

        struct power_image image; /* the last member */
};

void crash_world_copy(struct crash_world *to, const struct crash_world *from);

/* After a crash in `step`, of which `sectors` have been written; nothing of them is
 * synced. */
void crash_world_begin(struct crash_world *world, const struct edit *edit, uint32_t step,
                       size_t sectors);

/* The step's last sync failed, and the process went: the image looks new, and the disk
 * is old. */
void crash_world_begin_with_a_failed_sync(struct crash_world *world,
                                          const struct edit *edit, uint32_t step);

struct crash_recovery {
        bool was_there; /* a hot journal, and `verdict` on it */
        enum journal_verdict verdict;
        int error;
        unsigned int changes; /* calls that change or sync something */
};

/* Recover as a new process does; it is killed before its change number `limit`, counted
 * from 0. */
struct crash_recovery crash_world_recover(struct crash_world *world, unsigned int limit);

/* How many changes may be there or not after the power has gone. */
size_t crash_world_pending(const struct crash_world *world);

/* The power goes; `chosen` has a bit for each change that is there. */
void crash_world_lose_power(struct crash_world *world, const uint8_t *chosen);

/* The process went, and the power did not. */
void crash_world_keep_power(struct crash_world *world);

uint64_t crash_world_hash(const struct crash_world *world);

#endif
