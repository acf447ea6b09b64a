/* SPDX-License-Identifier: MIT */
/*
 * One edit of one image: guest, doorbell, journal, image.
 */
#ifndef INSTAR_HOST_VMM_EDIT_H
#define INSTAR_HOST_VMM_EDIT_H

#include "guest/abi.h"
#include "host/image/image.h"
#include "host/recovery/recovery.h"
#include "host/vmm/doorbell.h"
#include "host/vmm/outcome.h"
#include "host/vmm/vm.h"

struct edit_request {
        struct image *image; /* open, locked */
        const struct vm_program *program;
        const struct abi_call *call; /* memory_size is filled in by edit_run(); file_size
                                      * and header_fingerprint where they are 0 */
        const char *asked;           /* the command line for the journal */
        const char *journal_directory;  /* --journal-dir, or NULL */
        bool discard_journal;           /* a journal that is there already is given up */
        uint64_t memory_limit;          /* bytes, multiple of 2 MiB */
        const struct report_sink *sink; /* what the guest says of its plan; or NULL */
        /* In a child: the descriptor that the sink writes to; stdout and stderr are
         * closed.  0: there is none. */
        int report_fd;
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
        struct run_trace trace;
};

/* Run the guest program over the image, journal and commit or roll back.  Fills
 * *report in every case. */
void edit_run(const struct edit_request *request, struct edit_report *report);

#endif
