/* SPDX-License-Identifier: MIT */
#include "host/vmm/examiner.h"

#include "host/vmm/proof.h"
#include "host/vmm/soundness.h"

const struct recovery_examiner examiner_by_guest = {.prove = proof_run,
                                                    .check = soundness_run};
