/* SPDX-License-Identifier: MIT */
/* How a guest's run ended, beside the guest's own result code. */
#ifndef INSTAR_HOST_VMM_OUTCOME_H
#define INSTAR_HOST_VMM_OUTCOME_H

#include "host/vmm/status.h"
#include "host/vmm/vm.h"

/* Those that speak of a rollback are an edit's; a run that only looks has the others. */
enum edit_outcome {
        EDIT_GUEST_RESULT,     /* the guest ended by itself: see result.code */
        EDIT_READ_ERROR,       /* reading the image failed */
        EDIT_WRITE_ERROR,      /* writing or syncing the image failed; rolled back */
        EDIT_CHANGED,          /* image changed under us three times; rolled back */
        EDIT_PROTOCOL,         /* the guest broke the protocol; rolled back */
        EDIT_DIED,             /* exception in the guest; rolled back */
        EDIT_TIMEOUT,          /* no doorbell for 60 s; rolled back */
        EDIT_SIGNAL,           /* SIGINT, SIGTERM or SIGHUP; rolled back */
        EDIT_KVM_ERROR,        /* KVM failed: error */
        EDIT_SANDBOX_ERROR,    /* the sandbox could not be armed: error */
        EDIT_JOURNAL_ERROR,    /* the journal could not be written: error; rolled back */
        EDIT_RECOVERY_STOPPED, /* the last item of `recovery` says why; nothing was done
                                */
        EDIT_ROLLBACK_FAILED,  /* undo failed: the journal stays hot: error */
        EDIT_JOURNAL_KEPT,     /* the image is as `committed` says, but the journal could
                                * not be ended: error */
        EDIT_OUTPUT_ERROR,     /* what the guest reports could not be written: error */
        EDIT_SEARCH_ERROR,     /* whether an edit was interrupted is not known: error */
};

/* For INSTAR_DEBUG=1: where the run ended. */
struct run_trace {
        char fault[160]; /* EDIT_PROTOCOL: which rule was broken */
        struct vm_diagnosis diagnosis;
        struct abi_request last_request; /* op 0: there was none */
        uint64_t doorbells;
};

/* Of a request's status; RUN_OK is EDIT_GUEST_RESULT. */
enum edit_outcome outcome_of_status(enum run_status status);

/* Of an exit that is not a doorbell. */
enum edit_outcome outcome_of_exit(enum vm_exit exit);

#endif
