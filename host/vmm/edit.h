/* SPDX-License-Identifier: MIT */
/*
 * One edit of one image: guest, doorbell, journal, image.
 */
#ifndef INSTAR_HOST_VMM_EDIT_H
#define INSTAR_HOST_VMM_EDIT_H

#include "guest/abi.h"
#include "host/image/image.h"
#include "host/recovery/recovery.h"
#include "host/vmm/vm.h"

/* How an edit ended, beside the guest's own result code. */
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
};

struct edit_request {
        struct image *image; /* open, locked */
        const struct vm_program *program;
        const struct abi_call *call; /* memory_size is filled in by edit_run(); file_size
                                      * and header_fingerprint where they are 0 */
        const char *asked;           /* the command line for the journal */
        const char *journal_directory; /* --journal-dir, or NULL */
        bool discard_journal;          /* a journal that is there already is given up */
        uint64_t memory_limit;         /* bytes, multiple of 2 MiB */
};

struct edit_report {
        enum edit_outcome outcome;
        struct abi_result result;
        int error;       /* negative errno where the outcome has one */
        int signal;      /* EDIT_SIGNAL */
        bool committed;  /* the switch is durable: the complete new image */
        int index_error; /* warn: the index could not be written: negative errno */
        char journal_path[4352];  /* EDIT_ROLLBACK_FAILED, EDIT_JOURNAL_KEPT,
                                     EDIT_JOURNAL_ERROR */
        struct recovery recovery; /* what became of journals that were there; its memory
                                   * is the process's */
        char fault[160]; /* EDIT_PROTOCOL: which rule was broken (for INSTAR_DEBUG) */
        struct vm_diagnosis diagnosis;
        struct abi_request last_request; /* op 0: there was none */
        uint64_t doorbells;
};

/* Run the guest program over the image, journal and commit or roll back.  Fills
 * *report in every case. */
void edit_run(const struct edit_request *request, struct edit_report *report);

#endif
