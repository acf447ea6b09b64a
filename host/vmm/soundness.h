/* SPDX-License-Identifier: MIT */
/*
 * Whether an image is sound, by the guest's checker in a process of its own: recovery
 * asks where another program has written since an edit was interrupted.
 */
#ifndef INSTAR_HOST_VMM_SOUNDNESS_H
#define INSTAR_HOST_VMM_SOUNDNESS_H

#include "host/recovery/recovery.h"

/*
 * Run the checker over the image as it is now, without a word of what it finds.  Leaked
 * clusters and what `instar check` calls a fault of a bitmap are no corruption: QEMU
 * opens such an image and finds nothing wrong.  The caller goes on as it was.  Before its
 * own sandbox is armed.  For struct recovery_examiner.
 */
int soundness_run(struct image *image, enum recovery_soundness *soundness);

#endif
