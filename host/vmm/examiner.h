/* SPDX-License-Identifier: MIT */
/* Who reads an image for recovery: guest programs. */
#ifndef INSTAR_HOST_VMM_EXAMINER_H
#define INSTAR_HOST_VMM_EXAMINER_H

#include "host/recovery/recovery.h"

extern const struct recovery_examiner examiner_by_guest;

#endif
