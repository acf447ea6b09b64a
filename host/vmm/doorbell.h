/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the doorbell.  Requests are copied out of shared memory once;
 * everything after looks at the copy (invariant 9).
 */
#ifndef INSTAR_HOST_VMM_DOORBELL_H
#define INSTAR_HOST_VMM_DOORBELL_H

#include "host/vmm/transaction.h"

struct doorbell {
        struct vm *vm;
        struct image *image;
        struct image_io io;
        struct transaction *transaction;
        struct abi_request *requests; /* the copy: ABI_MAX_REQUESTS */
        bool reads_only;              /* this program has no use for anything else */
        uint64_t rings;
        uint64_t bytes_read;
        struct abi_request last; /* the request that was looked at last */
        bool ended;
        struct abi_result result; /* once ended */
};

/* Before the sandbox is armed.  0 or -ENOMEM. */
int doorbell_create(struct doorbell *doorbell, struct vm *vm, struct image *image,
                    struct transaction *transaction);
void doorbell_destroy(struct doorbell *doorbell);

/* A fresh try starts: the bounds count anew. */
void doorbell_restart(struct doorbell *doorbell);

/* Carry out what the guest asked for.  The first request that fails ends it; the
 * numbers are in transaction->fault. */
enum run_status doorbell_answer(struct doorbell *doorbell);

#endif
