/* SPDX-License-Identifier: MIT */
/*
 * The proof that nothing in an image refers to some ranges of it, made by a guest
 * program in a process of its own: recovery asks before it gives clusters back.
 */
#ifndef INSTAR_HOST_VMM_PROOF_H
#define INSTAR_HOST_VMM_PROOF_H

#include "host/recovery/recovery.h"

/*
 * Run the guest program over the image, in a child process with a sandbox of its own,
 * which ends with it.  The caller goes on as it was.  Before the caller's own
 * sandbox is armed.  For struct recovery_examiner.
 */
int proof_run(struct image *image, const struct abi_range *ranges, size_t count,
              enum recovery_proof *proof);

#endif
