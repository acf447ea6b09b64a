/* SPDX-License-Identifier: MIT */
/*
 * Fresh clusters of a block device may hold what somebody left there.  A cluster
 * that does not read as zeros is taken only if it is proved that nothing in the image
 * refers to it, and is zeroed in a step of its own before the build, so that everything
 * after may rely on fresh clusters being zeros.
 */
#ifndef INSTAR_GUEST_QCOW2_SCRUB_H
#define INSTAR_GUEST_QCOW2_SCRUB_H

#include "guest/qcow2/allocator.h"

/* Look at what was allocated at the end of a block device; prove what is not zero.
 * ABI_BAD_REFCOUNTS if it is in use.  Nothing to do for a file. */
enum abi_code scrub_prepare(struct allocator *allocator);

/* Emit and apply step `step`, once, if anything has to be zeroed. */
enum abi_code scrub_emit(struct allocator *allocator, uint32_t step);

#endif
