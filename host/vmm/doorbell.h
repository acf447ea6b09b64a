/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the doorbell.  Requests are copied out of shared memory once;
 * everything after looks at the copy (invariant 9).
 */
#ifndef INSTAR_HOST_VMM_DOORBELL_H
#define INSTAR_HOST_VMM_DOORBELL_H

#include "host/vmm/transaction.h"

/*
 * Who takes the reports of a guest program that only looks.  `kind` is one of
 * guest/abi_report.h, or anything else; `bytes` is the host's own copy.  0; -EBADMSG for
 * a report that breaks the rules there; any other negative errno where it could not be
 * passed on.
 */
struct report_sink {
        int (*take)(void *context, uint64_t kind, const uint8_t *bytes, size_t length);
        void *context;
};

struct doorbell {
        struct vm *vm;
        struct image *image;
        struct image_io io;
        struct transaction *transaction;
        struct abi_request *requests; /* the copy: ABI_MAX_REQUESTS */
        bool reads_only;              /* this program has no use for anything else */
        struct report_sink sink;      /* take NULL: it makes no reports */
        uint8_t *report;              /* the copy of one: ABI_MAX_REPORT */
        uint64_t rings;
        uint64_t bytes_read;
        uint64_t bytes_reported; /* all but extents, which the disk's size bounds */
        struct abi_request last; /* the request that was looked at last */
        bool ended;
        struct abi_result result; /* once ended */
};

/* Before the sandbox is armed.  0 or -ENOMEM. */
int doorbell_create(struct doorbell *doorbell, struct vm *vm, struct image *image,
                    struct transaction *transaction);
void doorbell_destroy(struct doorbell *doorbell);

/* The guest may read the image, and report to `sink` if that is not NULL, and no more
 * (invariant 10).  Before the sandbox is armed.  0 or -ENOMEM. */
int doorbell_only_look(struct doorbell *doorbell, const struct report_sink *sink);

/* The guest may report.  Before the sandbox is armed.  0 or -ENOMEM. */
int doorbell_report_to(struct doorbell *doorbell, const struct report_sink *sink);

/* A fresh try starts: the bounds count anew. */
void doorbell_restart(struct doorbell *doorbell);

/* Carry out what the guest asked for.  The first request that fails ends it; the
 * numbers are in transaction->fault. */
enum run_status doorbell_answer(struct doorbell *doorbell);

#endif
