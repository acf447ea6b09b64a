/* SPDX-License-Identifier: MIT */
/* What a journal of an earlier edit means for the exit code. */
#ifndef INSTAR_HOST_CLI_RECOVERY_EXIT_H
#define INSTAR_HOST_CLI_RECOVERY_EXIT_H

#include "host/cli/exit_code.h"
#include "host/recovery/recovery.h"

/* EXIT_DONE where it has been dealt with, or would be. */
static inline int exit_code_of_recovery(enum recovery_state state)
{
        switch (state) {
        case RECOVERY_CONFLICT:
                return EXIT_CONFLICT;
        case RECOVERY_UNTRUSTED:
        case RECOVERY_DAMAGED:
        case RECOVERY_NEWER:
        case RECOVERY_UNREADABLE:
                return EXIT_BAD_JOURNAL;
        case RECOVERY_BUSY:
        case RECOVERY_FAILED:
                return EXIT_REFUSED;
        default:
                return EXIT_DONE;
        }
}

#endif
