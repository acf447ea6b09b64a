/* SPDX-License-Identifier: MIT */
/* Inside the room: what becomes of one journal. */
#ifndef INSTAR_HOST_RECOVERY_DECIDE_H
#define INSTAR_HOST_RECOVERY_DECIDE_H

#include "host/recovery/recovery.h"

/* Do it, or in a dry run only say it; fills state, reason, error and new_path of *item.
 */
void recovery_decide(const struct recovery *recovery, struct journal_found *found,
                     struct recovery_item *item);

#endif
