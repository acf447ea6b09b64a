/* SPDX-License-Identifier: MIT */
/*
 * What the host has to make of a guest's requests, said a second time: an image in memory
 * and the changes that wait for it.  It is told of each request that the host accepts,
 * and aborts where it should not have been.
 *
 * There are two: one is ahead, to give requests right fingerprints before the doorbell is
 * rung; the other is told afterwards what became of them.
 */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_MODEL_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/harness/doorbell_guest.h"
#include "guest/abi.h"

#define MODEL_IMAGE   (1u << 20) /* what lies behind is not looked at but for the size */
#define MODEL_CHANGES 2048u
#define MODEL_POOL    (4u << 20)

struct model_file {
        uint64_t size;
        uint64_t extent;            /* no byte at or behind this was ever set */
        uint8_t bytes[MODEL_IMAGE]; /* zeros behind the size */
};

struct model_change {
        uint32_t step;
        uint32_t flags;
        uint64_t offset;
        uint64_t length;
        size_t store; /* in the pool: the bytes below MODEL_IMAGE */
};

struct model {
        bool judges; /* else it only follows */
        bool full;   /* there is no more room */
        bool open;
        bool committed;
        bool prepares;
        bool resized;
        bool device;
        uint32_t switch_step; /* of a declared switch; 0: none */
        /* Of the switch: its sector had the content before that it gives it, so that
         * nobody can tell by it whether the edit is complete.  The host leaves that to
         * the guest, whose own edit it is. */
        bool ambiguous;
        uint64_t final_size;
        struct model_file image; /* now */
        struct model_file old;   /* at the last BEGIN */
        size_t change_count;
        struct model_change changes[MODEL_CHANGES]; /* that wait */
        size_t log_count;
        struct model_change log[MODEL_CHANGES]; /* all since the last BEGIN */
        size_t pool_used;
        uint8_t pool[MODEL_POOL];
        uint8_t memory[DOORBELL_MEMORY]; /* the guest's */
};

/* A finding. */
_Noreturn void model_finding(const char *what);
#define MUST(condition)                                                                  \
        do {                                                                             \
                if (!(condition))                                                        \
                        model_finding(#condition);                                       \
        } while (0)

/* The image's content at a run's beginning: zeros, or a pattern, a page each. */
void model_start(struct model *model, uint64_t size, uint8_t seed, bool device);

/* The host accepts this request; `result` is the doorbell's. */
void model_accept(struct model *model, const struct abi_request *request,
                  const struct abi_result *result);

/* It begins to apply the changes of this step, which may fail behind each: the first that
 * is left is applied.  False: there is none left. */
bool model_apply_next(struct model *model, uint32_t step);

/* What is open is undone; nothing waits. */
void model_end(struct model *model);

/* From now on as `leader` is; nothing waits. */
void model_follow(struct model *model, const struct model *leader);

/* What a JOURNAL, or with `now` an ASSERT, of this range has to say of its content. */
uint64_t model_fingerprint(const struct model *model, uint64_t offset, uint64_t length,
                           bool now);

/* The guest fills its memory. */
void model_poke(struct model *model, uint64_t address, uint64_t length, uint16_t value);

#endif
