/* SPDX-License-Identifier: MIT */
/*
 * What the image has to be when the guest has ended, or was ended: the model is as behind
 * the last request that was accepted; `failed` is the one that was not, or NULL.
 */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_JUDGE_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_JUDGE_H

#include "fuzz/harness/doorbell_world.h"

/* Behind transaction_end(), or where there was nothing to end. */
void judge_end(struct model *truth, const struct abi_request *failed);

/* Behind the recovery of what the process has left. */
void judge_recovery(struct model *truth, const struct abi_request *failed,
                    enum world_recovery recovery);

#endif
