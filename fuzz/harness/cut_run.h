/* SPDX-License-Identifier: MIT */
/* One operation, the state that a cut leaves of it, and the recovery of that. */
#ifndef INSTAR_FUZZ_HARNESS_CUT_RUN_H
#define INSTAR_FUZZ_HARNESS_CUT_RUN_H

#include "fuzz/harness/cut_images.h"
#include "fuzz/harness/cut_input.h"
#include "guest/abi.h"
#include "tests/native/native_host.h"
#include "tests/native/reader.h"
#include "tests/unit/ops/disk.h"

struct cut_run {
        struct cut_step step;
        struct native_host *host;
        struct native_image *image; /* the host's: as it is when all is done */
        struct native_host *looker; /* for the checker, and for proofs */
        struct native_image before;
        struct abi_call call;
        struct native_outcome outcome;

        /* what is known of the image before: the last step may have judged it */
        bool old_is_read;
        struct read_image old;
        bool soundness_is_known;
        bool was_sound; /* the checker had nothing to say */

        /* of a resize; no clusters: not yet read */
        struct disk old_disk;
        struct disk new_disk;
        struct read_image new;

        /* the cut */
        struct native_image state;  /* what it leaves */
        struct native_image origin; /* where the transaction that is open began */
        size_t end;                 /* events before the cut */
        bool open;                  /* a transaction: there is a hot journal */
        size_t begin;               /* its first event */
        bool first;                 /* there was none before it */
        bool last;                  /* there is none behind it */
        bool switched;              /* its switch is in the state */
        bool committed;             /* the switch of the last one is in the state */

        /* The image that is left is the old one to the byte, or if committed the new one.
         */
        bool is_whole;
};

void cut_run_open(struct cut_run *run);

/* Carry out the step on the image. */
void cut_run_operation(struct cut_run *run);

/* cut_state.c: what the cut leaves. */
void cut_state(struct cut_run *run);

/* cut_recover.c: recover run->state, by the journal that the host would have written. */
void cut_recover(struct cut_run *run);

/* cut_judge.c */
void cut_judge_refusal(struct cut_run *run);   /* or a failure */
void cut_judge_unchanged(struct cut_run *run); /* there was nothing to do */
void cut_judge_operation(struct cut_run *run); /* it did what it should */
void cut_judge_state(struct cut_run *run);     /* to whom knows no journal */
void cut_judge_recovered(struct cut_run *run);

/* cut_judge_disk.c: what a resize leaves of the disk, done or cut off. */
void cut_judge_new_disk(struct cut_run *run);
void cut_judge_disk(struct cut_run *run, const struct native_image *image, bool is_old);

/* Run a guest program that writes nothing over an image. */
struct native_outcome cut_run_look(struct cut_run *run, const struct native_image *image,
                                   void (*program)(void), const struct abi_call *call,
                                   native_sink *sink, void *context);

/* Say what is wrong, and abort. */
_Noreturn void cut_complain(const struct cut_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
