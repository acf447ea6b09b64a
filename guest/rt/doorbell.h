/* SPDX-License-Identifier: MIT */
/* The queue in front of the doorbell: an exit is dear, so requests go out together. */
#ifndef INSTAR_GUEST_RT_DOORBELL_H
#define INSTAR_GUEST_RT_DOORBELL_H

#include "guest/rt/platform.h"

/* Append a request that moves or compares `transfer` bytes (ABI_MAX_TRANSFER at
 * most); all its fields but `op` are zero.  Rings first when the doorbell is full or
 * would move too much. */
struct abi_request *doorbell_add(enum abi_op op, uint64_t transfer);

/* Send what is queued; nothing if nothing is. */
void doorbell_ring(void);

/* Forget what is queued (a fresh start of a native run). */
void doorbell_reset(void);

#endif
