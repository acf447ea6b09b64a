/* SPDX-License-Identifier: MIT */
/*
 * The host's half of a transaction: what the guest declares is compared with the
 * image and journaled, what it applies is what was journaled, and the end is commit or
 * rollback.
 *
 *     IDLE --begin--> OPEN --apply of the switch--> COMMITTED --begin--> OPEN ...
 *                      |
 *                      +--rollback--> IDLE
 *
 * The last begin is only there where what is committed made room for the edit.
 *
 * OPEN: every change has an undo record that is durable before the image changes
 * (invariant 1).  COMMITTED: the journal says DONE; changes are releases, which are
 * never undone.
 */
#ifndef INSTAR_HOST_VMM_TRANSACTION_H
#define INSTAR_HOST_VMM_TRANSACTION_H

#include "host/image/image.h"
#include "host/vmm/pending.h"
#include "host/vmm/status.h"
#include "host/vmm/vm.h"
#include "journal/journal.h"

enum transaction_state { TRANSACTION_IDLE, TRANSACTION_OPEN, TRANSACTION_COMMITTED };

struct transaction {
        struct image *image;
        struct image_io io;
        struct vm *vm;
        struct journal *journal;
        struct journal_index *index;
        struct journal_index_entry index_entry;

        enum transaction_state state;
        struct pending pending;
        uint8_t *buffer; /* TRANSACTION_BUFFER bytes, for old and new contents */
        uint8_t *copy;   /* as many, for what comes from the guest */
        uint64_t old_size;
        uint64_t final_size;
        bool resized;   /* the file has its final size */
        bool unsynced;  /* something was written since the last sync */
        bool unclosed;  /* undo records wait for their closing record */
        bool journaled; /* others have theirs, durable */
        bool first_sector_journaled;
        bool indexed;           /* an entry was sent */
        bool index_waited;      /* and its answer awaited */
        int index_error;        /* 0 or a negative errno */
        uint32_t switch_step;   /* of the declared switch; 0: none, or it is applied */
        uint32_t declared_step; /* of the last declaration */
        uint32_t applied_step;  /* of the last full apply */
        uint32_t count;         /* transactions of this run */
        bool prepares;          /* this one only makes room for the edit */
        int journal_error;      /* of an end that could not be made durable */
        uint64_t image_space;   /* free bytes of the file systems, before anything is */
        uint64_t journal_space; /*   written; UINT64_MAX: not known */
        struct run_fault fault;
};

#define TRANSACTION_BUFFER ((size_t)1 << 20)

/* What the journal of a small edit takes, with its directory entry. */
#define TRANSACTION_JOURNAL_SPACE (64u << 10)

/* Allocate everything.  Before the sandbox is armed.  0 or a negative errno. */
int transaction_create(struct transaction *transaction, struct image *image,
                       struct vm *vm, struct journal *journal,
                       struct journal_index *index);
void transaction_destroy(struct transaction *transaction);

/* The requests of abi.h, already copied out of shared memory. */
enum run_status transaction_begin(struct transaction *transaction,
                                  const struct abi_request *request);
enum run_status transaction_assert(struct transaction *transaction,
                                   const struct abi_request *request);
enum run_status transaction_claim(struct transaction *transaction,
                                  const struct abi_request *request);
enum run_status transaction_declare(struct transaction *transaction,
                                    const struct abi_request *request);
enum run_status transaction_apply(struct transaction *transaction,
                                  const struct abi_request *request);

/* The edit itself, not only what makes room for it, is durable. */
bool transaction_is_committed(const struct transaction *transaction);

/* Nothing is half done: either no transaction was begun, or the last is committed
 * and nothing waits. */
bool transaction_is_complete(const struct transaction *transaction);

/*
 * The end: an open transaction is rolled back, a committed one is complete.  Removes the
 * journal.  0, or a negative errno where the journal stays hot: *half_done says whether
 * the rollback failed, or only the journal's own end.
 */
int transaction_end(struct transaction *transaction, bool *half_done);

/* Note the errno; returns the status. */
static inline enum run_status transaction_failed(struct transaction *transaction,
                                                 enum run_status status, int error)
{
        transaction->fault.error = error;
        return status;
}

/* Note a broken rule; returns RUN_PROTOCOL. */
enum run_status transaction_broken(struct transaction *transaction, const char *rule);

/* Declarations (declare.c) */
enum run_status declare_overwrite(struct transaction *transaction,
                                  const struct abi_request *request);
enum run_status declare_fresh(struct transaction *transaction,
                              const struct abi_request *request);

#endif
