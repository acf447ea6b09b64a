/* SPDX-License-Identifier: MIT */
/* What the files of the model share. */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_MODEL_INTERNAL_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_MODEL_INTERNAL_H

#include "fuzz/harness/doorbell_model.h"

/* Of a request that the host has accepted. */
#define ONLY(condition)                                                                  \
        do {                                                                             \
                if (m->judges)                                                           \
                        MUST(condition);                                                 \
        } while (0)

/* doorbell_model_file.c: all of the request's range is kept. */
bool model_is_kept(const struct abi_request *request);

/* The part of [offset, +*length) that is kept; what is behind it
 * is cut off. */
bool model_file_kept(uint64_t offset, uint64_t *length);
void model_file_resize(struct model_file *file, uint64_t size);

/* NULL bytes: zeros. */
void model_file_write(struct model_file *file, uint64_t offset, const uint8_t *bytes,
                      uint64_t length);
void model_file_copy(struct model_file *to, const struct model_file *from);

/* doorbell_model_content.c: `now`, or when all that waits is applied; as far as it is
 * kept. */
bool model_is_zero(const struct model *model, uint64_t offset, uint64_t length, bool now);

/* doorbell_model_change.c: a JOURNAL and an APPLY that the host has accepted. */
void model_accept_change(struct model *model, const struct abi_request *request);
void model_accept_apply(struct model *model, const struct abi_request *request);

#endif
