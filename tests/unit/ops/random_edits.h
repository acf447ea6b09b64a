/* SPDX-License-Identifier: MIT */
/* Seeded images and invocations that are odd in every way, and mostly possible. */
#ifndef INSTAR_TESTS_UNIT_OPS_RANDOM_EDITS_H
#define INSTAR_TESTS_UNIT_OPS_RANDOM_EDITS_H

#include "tests/native/image_maker.h"
#include "tests/unit/ops/model.h"

/* Start a sequence; the same seed makes the same. */
void random_start(uint64_t seed);

/* 0 .. limit - 1 */
uint64_t random_below(uint64_t limit);

void random_image(struct made_options *options);

/* A call that the model would often accept. */
void random_call(const struct model *model, struct abi_call *call);

#endif
