/* SPDX-License-Identifier: MIT */
/*
 * What lies around the doorbell: an image that is a file in memory, a journal on a
 * tmpfs, the host's structures; and what goes wrong with them.
 */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_WORLD_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_WORLD_H

#include "fuzz/harness/doorbell_input.h"
#include "fuzz/harness/doorbell_model.h"
#include "host/vmm/doorbell.h"

struct doorbell_world {
        struct image image;
        struct image_io io; /* of the image, nothing fails */
        struct transaction transaction;
        struct doorbell doorbell;
        unsigned looks; /* at signals, since the doorbell was rung: requests */
        unsigned all_looks;
        unsigned calls; /* of the image's I/O that can fail */
        bool failed;    /* one has */
        bool broken;    /* and so will all others */
        bool ending;    /* no request is under way */
        struct doorbell_head head;
};

extern struct doorbell_world world;

/* For a run: the image as `model` has it, no journal, everything else as new. */
void world_start(const struct doorbell_head *head, const struct model *model);

/* Nothing fails from now on. */
void world_heal(void);

/* Is there a journal's file? */
bool world_has_journal(void);

/* Whether the image is exactly this, as far as it is kept. */
bool world_image_is(const struct model_file *file);

enum world_recovery {
        WORLD_NOTHING, /* there was no journal, or nothing in it */
        WORLD_ENDED,   /* its transaction had ended */
        WORLD_UNDONE,
        WORLD_COMPLETED,
        WORLD_SUPERSEDED,
};

/* The process is gone, and another finds what it left: what it does about it. */
enum world_recovery world_recover(void);

#endif
