/* SPDX-License-Identifier: MIT */
#include "host/vmm/outcome.h"

enum edit_outcome outcome_of_status(enum run_status status)
{
        static const enum edit_outcome outcomes[] = {
            [RUN_OK] = EDIT_GUEST_RESULT,
            [RUN_CHANGED] = EDIT_CHANGED,
            [RUN_PROTOCOL] = EDIT_PROTOCOL,
            [RUN_READ_ERROR] = EDIT_READ_ERROR,
            [RUN_WRITE_ERROR] = EDIT_WRITE_ERROR,
            [RUN_JOURNAL_ERROR] = EDIT_JOURNAL_ERROR,
            [RUN_INTERRUPTED] = EDIT_SIGNAL,
            [RUN_OUTPUT_ERROR] = EDIT_OUTPUT_ERROR,
        };

        return outcomes[status];
}

enum edit_outcome outcome_of_exit(enum vm_exit exit)
{
        switch (exit) {
        case VM_EXIT_TIMEOUT:
                return EDIT_TIMEOUT;
        case VM_EXIT_SIGNAL:
                return EDIT_SIGNAL;
        case VM_EXIT_SHUTDOWN:
                return EDIT_DIED;
        case VM_EXIT_FAILED:
                return EDIT_KVM_ERROR;
        default:
                return EDIT_PROTOCOL;
        }
}
