/* SPDX-License-Identifier: MIT */
/*
 * What `instar bitmap` means, without any of how: a list of named bitmaps in order.
 * The specification's words in the shortest code that says them.
 */
#ifndef INSTAR_TESTS_UNIT_OPS_MODEL_H
#define INSTAR_TESTS_UNIT_OPS_MODEL_H

#include "guest/abi.h"
#include "tests/native/reader.h"

#define MODEL_MAX 128u

struct model_bitmap {
        char name[1024];
        uint32_t name_length;
        uint32_t flags;
        uint32_t granularity_bits;
        uint32_t extra_length;
        uint8_t *bits;
        uint64_t bits_length;
};

struct model {
        uint64_t virtual_size;
        uint64_t cluster_size;
        bool stale;
        uint32_t count;
        struct model_bitmap bitmaps[MODEL_MAX];
};

/* What the image says.  model_free() before the next. */
void model_take(struct model *model, const struct read_image *read);
void model_free(struct model *model);

/* Carry out a call; a refusal changes nothing. */
enum abi_code model_apply(struct model *model, const struct abi_call *call);

/* NULL if the image says what the model says; otherwise what is different. */
const char *model_difference(const struct model *model, const struct read_image *read);

#endif
