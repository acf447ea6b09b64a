/* SPDX-License-Identifier: MIT */
/*
 * What a power loss may leave of a run (invariants 2 and 4).
 *
 * The trace is a list of changes with barriers between them.  Everything before the
 * last barrier that was passed is durable.  Of what comes between two barriers any part
 * may have reached the disk: each 512-byte sector of each write, the file's new size,
 * each punched hole.  All subsets are tried where they are few; otherwise none, all, each
 * one, all but each one, and a seeded sample.
 *
 * Every state must be an image that a program without our journal opens, with the old
 * list of bitmaps or the new one: the old one before the commit point, the new one
 * behind it.  And before a transaction's switch nothing may refer to what it takes, or
 * recovery would not undo it (invariant 7).
 */
#ifndef INSTAR_TESTS_UNIT_OPS_CRASH_H
#define INSTAR_TESTS_UNIT_OPS_CRASH_H

#include "tests/unit/ops/ops.h"

struct crash {
        struct ops *ops;
        struct native_image durable; /* all that barriers have made sure of */
        struct native_image state;   /* the one that is looked at */
        struct native_image undone;  /* for invariant 2 */
        struct native_image origin;  /* where the open transaction began */
        struct native_host *prover;  /* of the proof that recovery asks for */
        struct read_image old;
        struct read_image new;
        bool committed; /* the last switch is durable */
        uint32_t last_transaction;
        uint64_t states;
        uint64_t proofs;
        uint64_t samples; /* for segments with many pieces */
        uint64_t seed;
};

void crash_open(struct crash *crash, struct ops *ops);
void crash_close(struct crash *crash);

/* Try every state of the last run of `ops`; fails the test where one is bad. */
void crash_explore(struct crash *crash);

#endif
