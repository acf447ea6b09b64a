/* SPDX-License-Identifier: MIT */
#include "host/vmm/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RELEASE_ONLY (ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE)

int transaction_create(struct transaction *t, struct image *image, struct vm *vm,
                       struct journal *journal, struct journal_index *index)
{
        memset(t, 0, sizeof *t);
        t->image = image;
        t->io = image_io(image);
        t->vm = vm;
        t->journal = journal;
        t->index = index;
        t->image_space = UINT64_MAX;
        t->journal_space = UINT64_MAX;
        t->buffer = malloc(TRANSACTION_BUFFER);
        t->copy = malloc(TRANSACTION_BUFFER);
        if (!t->buffer || !t->copy || pending_create(&t->pending) < 0) {
                transaction_destroy(t);
                return -ENOMEM;
        }
        return 0;
}

void transaction_destroy(struct transaction *t)
{
        pending_destroy(&t->pending);
        free(t->buffer);
        free(t->copy);
        t->buffer = NULL;
        t->copy = NULL;
}

enum run_status transaction_broken(struct transaction *t, const char *rule)
{
        t->fault.rule = rule;
        return RUN_PROTOCOL;
}

/* ---- declarations ------------------------------------------------------------------ */

static const char *step_fault(const struct transaction *t, const struct abi_request *r)
{
        bool is_switch = r->flags & ABI_CHANGE_SWITCH;
        if (!r->step || r->step > ABI_MAX_STEP || r->step < t->declared_step ||
            r->step <= t->applied_step)
                return "declaration: step out of order";
        if (t->state == TRANSACTION_COMMITTED)
                return is_switch ? "declaration: a second switch" : NULL;
        if (t->switch_step)
                return "declaration: behind the switch, before it is applied";
        if (r->flags & RELEASE_ONLY)
                return "declaration: release before the switch";
        if (is_switch && r->step == t->declared_step)
                return "declaration: the switch is not alone in its step";
        return NULL;
}

static const char *range_fault(const struct transaction *t, const struct abi_request *r)
{
        uint64_t end;
        if (r->flags & ABI_CHANGE_TRUNCATE)
                return r->length || r->offset > t->final_size || t->image->block_device
                           ? "truncation: size"
                           : NULL;
        if (!r->length || __builtin_add_overflow(r->offset, r->length, &end) ||
            end > t->final_size)
                return "declaration: outside the file";
        if (r->flags & ABI_CHANGE_SWITCH &&
            (r->offset / ABI_SECTOR != (end - 1) / ABI_SECTOR ||
             r->flags & ABI_CHANGE_FRESH))
                return "declaration: the switch is not within one sector";
        return NULL;
}

static enum run_status declare_release(struct transaction *t, const struct abi_request *r)
{
        struct pending_change *change = pending_add(&t->pending, 0, 0);
        if (!change)
                return transaction_broken(t, "declaration: too many changes");
        change->step = r->step;
        change->flags = r->flags;
        change->offset = r->offset;
        change->length = r->length;
        return RUN_OK;
}

enum run_status transaction_declare(struct transaction *t, const struct abi_request *r)
{
        const uint32_t known = ABI_CHANGE_FRESH | ABI_CHANGE_SWITCH | RELEASE_ONLY;
        if (t->state == TRANSACTION_IDLE)
                return transaction_broken(t, "declaration outside a transaction");
        if (r->flags & ~known || (r->flags & RELEASE_ONLY && r->flags & (r->flags - 1)))
                return transaction_broken(t, "declaration: flags");
        const char *fault = step_fault(t, r);
        if (!fault)
                fault = range_fault(t, r);
        if (fault)
                return transaction_broken(t, fault);
        t->declared_step = r->step;
        if (r->flags & ABI_CHANGE_SWITCH)
                t->switch_step = r->step;
        if (r->flags & RELEASE_ONLY)
                return declare_release(t, r);
        return r->flags & ABI_CHANGE_FRESH ? declare_fresh(t, r)
                                           : declare_overwrite(t, r);
}

/* ---- apply -------------------- */

/* Invariant 1: undo records first, and the index's entry or its warning.  A journal
 * without any is not hot, and would not even shorten the file again. */
static enum run_status make_durable(struct transaction *t)
{
        if (t->unclosed) {
                int error = journal_close_batch(t->journal);
                if (error < 0)
                        return transaction_failed(t, RUN_JOURNAL_ERROR, error);
                t->unclosed = false;
                t->journaled = true;
        }
        if (!t->journaled)
                return transaction_broken(t, "apply: nothing is journaled");
        if (!t->index_waited) {
                t->index_error = journal_index_wait(t->index);
                t->index_waited = true;
        }
        return RUN_OK;
}

/* Write a fresh change from the guest's memory, if it still is what was journaled. */
static enum run_status write_fresh(struct transaction *t, const struct pending_change *c)
{
        const uint64_t *hashes = t->pending.hashes + c->store;
        for (uint64_t done = 0; done < c->length;) {
                size_t piece = c->length - done < TRANSACTION_BUFFER
                                   ? (size_t)(c->length - done)
                                   : TRANSACTION_BUFFER;
                const uint8_t *guest = vm_range(t->vm, c->address + done, piece);
                if (!guest)
                        return transaction_broken(t, "apply: address");
                memcpy(t->copy, guest, piece);
                for (size_t i = 0; i < piece; i += ABI_SECTOR)
                        if (journal_hash(t->copy + i, ABI_SECTOR) != *hashes++)
                                return transaction_broken(
                                    t, "apply: other bytes than those journaled");
                int error = t->io.write(t->io.context, c->offset + done, t->copy, piece);
                if (error < 0)
                        return transaction_failed(t, RUN_WRITE_ERROR, error);
                done += piece;
        }
        return RUN_OK;
}

static enum run_status apply_change(struct transaction *t, const struct pending_change *c)
{
        int error;
        /* Punches and cuts too: the next edit's journal rests on them. */
        t->unsynced = true;
        if (c->flags & ABI_CHANGE_PUNCH) {
                image_punch(t->image, c->offset, c->length); /* a courtesy: may fail */
                return RUN_OK;
        }
        if (c->flags & ABI_CHANGE_TRUNCATE) {
                error = t->io.resize(t->io.context, c->offset);
                return error < 0 ? transaction_failed(t, RUN_WRITE_ERROR, error) : RUN_OK;
        }
        if (c->flags & ABI_CHANGE_FRESH)
                return write_fresh(t, c);
        error =
            t->io.write(t->io.context, c->offset, t->pending.bytes + c->store, c->length);
        return error < 0 ? transaction_failed(t, RUN_WRITE_ERROR, error) : RUN_OK;
}

/* The build starts with one resize to the final size. */
static enum run_status resize_once(struct transaction *t)
{
        if (t->resized)
                return RUN_OK;
        int error = t->io.resize(t->io.context, t->final_size);
        if (error < 0)
                return transaction_failed(t, RUN_WRITE_ERROR, error);
        t->resized = true;
        t->unsynced = true;
        return RUN_OK;
}

/* The end of a transaction, durable: the ending record, written twice where that
 * helps; else the journal is removed, durably too. */
static int end_journal(struct transaction *t, enum journal_end end)
{
        int error = journal_end(t->journal, end);
        if (error)
                error = journal_end(t->journal, end);
        if (error && journal_remove_durably(t->journal) == 0)
                error = 0;
        t->journal_error = error;
        return error;
}

/*
 * The switch is durable: nothing is undone from here on (invariant 2).  Where the
 * end cannot be written down, the journal is hot, and recovery finds the edit complete by
 * its switch.  Then nothing more may change: what the release frees could come to hold
 * the switch's old content.
 */
static enum run_status commit(struct transaction *t)
{
        t->state = TRANSACTION_COMMITTED;
        t->switch_step = 0;
        int error = end_journal(t, JOURNAL_DONE);
        return error ? transaction_failed(t, RUN_JOURNAL_ERROR, error) : RUN_OK;
}

/* Apply what is declared for `step`; later steps stay pending. */
static enum run_status apply_step(struct transaction *t, uint32_t step)
{
        uint32_t kept = 0;
        for (uint32_t i = 0; i < t->pending.count; i++) {
                const struct pending_change *change = &t->pending.changes[i];
                if (change->step < step)
                        return transaction_broken(t,
                                                  "apply: an earlier step is declared");
                if (change->step > step) {
                        t->pending.changes[kept++] = *change;
                        continue;
                }
                enum run_status status = apply_change(t, change);
                if (status)
                        return status;
        }
        t->pending.count = kept;
        if (!kept)
                pending_clear(&t->pending);
        return RUN_OK;
}

enum run_status transaction_apply(struct transaction *t, const struct abi_request *r)
{
        bool part = r->flags & ABI_APPLY_PART;
        if (t->state == TRANSACTION_IDLE || r->flags & ~ABI_APPLY_PART ||
            r->step <= t->applied_step || r->step > ABI_MAX_STEP ||
            (part && r->step == t->switch_step))
                return transaction_broken(t, "apply: step out of order");
        enum run_status status = RUN_OK;
        if (t->state == TRANSACTION_OPEN) {
                status = make_durable(t);
                if (!status)
                        status = resize_once(t);
        }
        if (!status)
                status = apply_step(t, r->step);
        if (status || part)
                return status;
        /* A part of this step may have written before. */
        int error =
            t->unsynced || t->state == TRANSACTION_OPEN ? t->io.sync(t->io.context) : 0;
        if (error < 0)
                return transaction_failed(t, RUN_WRITE_ERROR, error);
        t->unsynced = false;
        t->applied_step = r->step;
        if (t->state == TRANSACTION_OPEN && r->step == t->switch_step)
                return commit(t);
        return RUN_OK;
}

/* ---- end -------------------- */

bool transaction_is_committed(const struct transaction *t)
{
        return t->state == TRANSACTION_COMMITTED && !t->prepares;
}

bool transaction_is_complete(const struct transaction *t)
{
        return t->state != TRANSACTION_OPEN && !t->pending.count;
}

/* A failed sync is never repeated as if it could succeed: the second try writes the
 * bytes again first (invariant 3). */
static int roll_back(struct transaction *t)
{
        int error = journal_rollback(t->journal, &t->io);
        return error ? journal_rollback(t->journal, &t->io) : 0;
}

int transaction_end(struct transaction *t, bool *half_done)
{
        enum transaction_state state = t->state;
        int error = t->journal_error;
        *half_done = false;
        pending_clear(&t->pending);
        t->state = TRANSACTION_IDLE;
        if (state == TRANSACTION_OPEN) {
                error = roll_back(t);
                *half_done = error != 0;
                if (!error)
                        error = end_journal(t, JOURNAL_ABORTED);
        }
        if (!error) /* its end is durable: if not now, the next writer removes it */
                (void)journal_remove(t->journal);
        return error;
}
