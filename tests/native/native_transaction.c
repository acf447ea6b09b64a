/* SPDX-License-Identifier: MIT */
/* Transactions: the rules of host/vmm/transaction.c, with the trace for a journal. */
#include <stdlib.h>
#include <string.h>

#include "tests/native/native_host_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void native_forget_pending(struct native_transaction *t)
{
        for (uint32_t i = 0; i < t->pending_count; i++) {
                free(t->pending[i].bytes);
                free(t->pending[i].hashes);
        }
        t->pending_count = 0;
        t->pending_bytes = 0;
        t->pending_hashes = 0;
        t->overwritten = (struct native_span){0};
        t->fresh = (struct native_span){0};
}

static struct native_event *note(struct native_host *host, enum native_event_kind kind,
                                 const struct abi_request *r)
{
        struct native_event event = {
            .kind = kind,
            .transaction = host->transaction.number,
            .step = r->step,
            .flags = r->flags,
            .release = host->transaction.state == NATIVE_COMMITTED,
            .offset = r->offset,
            .length = r->length,
            .old_size = host->image.size,
        };
        return native_trace_add(&host->trace, &event);
}

enum native_status native_begin(struct native_host *host, const struct abi_request *r)
{
        struct native_transaction *t = &host->transaction;
        if (t->state == NATIVE_OPEN || t->pending_count)
                return native_broken(host, "begin inside a transaction");
        if (t->state == NATIVE_COMMITTED && !t->prepares)
                return native_broken(host, "begin behind the edit");
        if (r->flags & ~ABI_BEGIN_PREPARES)
                return native_broken(host, "begin: flags");
        if (++t->number > ABI_MAX_TRANSACTIONS)
                return native_broken(host, "too many transactions");
        if (r->length < r->offset || r->length - r->offset > ABI_MAX_GROWTH ||
            r->length > INT64_MAX || (host->block_device && r->length != r->offset))
                return native_broken(host, "begin: final size");
        if (host->image.size != r->offset)
                return NATIVE_CHANGED;
        t->state = NATIVE_OPEN;
        t->prepares = r->flags & ABI_BEGIN_PREPARES;
        t->old_size = r->offset;
        t->final_size = r->length;
        t->resized = t->final_size == t->old_size;
        t->switch_step = 0;
        t->declared_step = 0;
        t->applied_step = 0;
        t->first_event = host->trace.count;
        note(host, NATIVE_BEGIN, r);
        return NATIVE_OK;
}

enum native_status native_assert(struct native_host *host, const struct abi_request *r)
{
        if (host->transaction.state != NATIVE_OPEN)
                return native_broken(host, "assertion outside a transaction");
        uint8_t *bytes = malloc(r->length ? r->length : 1);
        if (!bytes)
                abort();
        enum native_status status = native_read(host, r->offset, bytes, r->length);
        if (!status && XXH3_64bits(bytes, r->length) != r->value)
                status = NATIVE_CHANGED;
        free(bytes);
        return status;
}

/* The real host writes it into its journal. */
enum native_status native_claim(struct native_host *host, const struct abi_request *r)
{
        uint64_t end;
        if (host->transaction.state != NATIVE_OPEN || host->transaction.applied_step)
                return native_broken(host, "claim outside a build");
        if (!r->length || __builtin_add_overflow(r->offset, r->length, &end) ||
            end > host->transaction.final_size)
                return native_broken(host, "claim: outside the file");
        note(host, NATIVE_CLAIM, r);
        return NATIVE_OK;
}

/* ---- apply ---------------------------------------------------------------------- */

/* What lies behind the old end goes with the size, when the transaction is undone. */
static void keep_bytes(struct native_host *host, struct native_event *event,
                       const uint8_t *bytes)
{
        if (host->bare_trace &&
            (event->release || event->offset >= host->transaction.old_size))
                return;
        if (!host->bare_trace)
                event->new = native_bytes(bytes, event->length);
        event->old = malloc(event->length);
        if (!event->old)
                abort();
        native_image_read(&host->image, event->offset, event->old, event->length);
}

static enum native_status write_bytes(struct native_host *host,
                                      const struct abi_request *r, const uint8_t *bytes)
{
        if (host->fail_write && !--host->fail_write)
                return NATIVE_WRITE_ERROR;
        keep_bytes(host, note(host, NATIVE_WRITE, r), bytes);
        host->outcome.bytes_written += r->length;
        return native_image_write(&host->image, r->offset, bytes, r->length)
                   ? NATIVE_OK
                   : NATIVE_WRITE_ERROR;
}

/* What was journaled is what is written: the guest's memory must still say so. */
static enum native_status write_fresh(struct native_host *host,
                                      const struct native_pending *pending)
{
        const struct abi_request *r = &pending->request;
        const uint8_t *bytes = (const uint8_t *)(uintptr_t)r->addr;
        for (uint64_t i = 0; i < r->length / ABI_SECTOR; i++)
                if (XXH3_64bits(bytes + i * ABI_SECTOR, ABI_SECTOR) != pending->hashes[i])
                        return native_broken(host,
                                             "apply: other bytes than those journaled");
        return write_bytes(host, r, bytes);
}

static void punch(struct native_host *host, const struct abi_request *r)
{
        struct native_event *event = note(host, NATIVE_PUNCH, r);
        if (!host->bare_trace)
                event->old = native_bytes(host->image.bytes + r->offset, r->length);
        native_image_punch(&host->image, r->offset, r->length);
}

static enum native_status truncate_image(struct native_host *host,
                                         const struct abi_request *r)
{
        struct native_event *event = note(host, NATIVE_TRUNCATE, r);
        if (r->offset < host->image.size && !host->bare_trace)
                event->old = native_bytes(host->image.bytes + r->offset,
                                          host->image.size - r->offset);
        return native_image_resize(&host->image, r->offset) ? NATIVE_OK
                                                            : NATIVE_WRITE_ERROR;
}

static enum native_status apply_change(struct native_host *host,
                                       const struct native_pending *pending, bool *wrote)
{
        const struct abi_request *r = &pending->request;
        if (r->flags & ABI_CHANGE_PUNCH) {
                punch(host, r);
                return NATIVE_OK;
        }
        if (r->flags & ABI_CHANGE_TRUNCATE)
                return truncate_image(host, r);
        *wrote = true;
        return r->flags & ABI_CHANGE_FRESH ? write_fresh(host, pending)
                                           : write_bytes(host, r, pending->bytes);
}

static enum native_status resize_once(struct native_host *host, bool *wrote)
{
        struct native_transaction *t = &host->transaction;
        if (t->resized)
                return NATIVE_OK;
        note(host, NATIVE_RESIZE, &(struct abi_request){.offset = t->final_size});
        t->resized = true;
        *wrote = true;
        return native_image_resize(&host->image, t->final_size) ? NATIVE_OK
                                                                : NATIVE_WRITE_ERROR;
}

static enum native_status apply_step(struct native_host *host, uint32_t step, bool *wrote)
{
        struct native_transaction *t = &host->transaction;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < t->pending_count; i++) {
                struct native_pending change = t->pending[i];
                enum native_status status = NATIVE_OK;
                if (change.request.step < step)
                        status =
                            native_broken(host, "apply: an earlier step is declared");
                else if (change.request.step == step)
                        status = apply_change(host, &change, wrote);
                if (status)
                        return status;
                t->pending[i].bytes = NULL;
                t->pending[i].hashes = NULL;
                if (change.request.step != step) {
                        t->pending[kept++] = change;
                        continue;
                }
                free(change.bytes);
                free(change.hashes);
        }
        t->pending_count = kept;
        if (!kept) /* as the real host: room comes back when nothing waits */
                native_forget_pending(t);
        return NATIVE_OK;
}

enum native_status native_apply(struct native_host *host, const struct abi_request *r)
{
        struct native_transaction *t = &host->transaction;
        bool wrote = false;
        bool part = r->flags & ABI_APPLY_PART;
        if (t->state == NATIVE_IDLE || r->flags & ~ABI_APPLY_PART ||
            r->step <= t->applied_step || r->step > ABI_MAX_STEP ||
            (part && r->step == t->switch_step))
                return native_broken(host, "apply: step out of order");
        enum native_status status = NATIVE_OK;
        if (t->state == NATIVE_OPEN)
                status = resize_once(host, &wrote);
        if (!status)
                status = apply_step(host, r->step, &wrote);
        if (status || part)
                return status;
        if (wrote || t->state == NATIVE_OPEN) {
                host->outcome.syncs++;
                note(host, NATIVE_BARRIER, r);
        }
        t->applied_step = r->step;
        if (t->state == NATIVE_OPEN && r->step == t->switch_step) {
                t->state = NATIVE_COMMITTED;
                t->switch_step = 0;
                host->outcome.committed = true;
                note(host, NATIVE_COMMIT, r);
        }
        return NATIVE_OK;
}

/* ---- end ------------------------------------------------------------------------ */

bool native_is_complete(const struct native_host *host)
{
        return host->transaction.state != NATIVE_OPEN && !host->transaction.pending_count;
}

/* Undo an open transaction from the trace, newest first. */
void native_transaction_end(struct native_host *host)
{
        struct native_transaction *t = &host->transaction;
        native_forget_pending(t);
        if (t->state != NATIVE_OPEN)
                return;
        for (size_t i = host->trace.count; i-- > t->first_event;) {
                const struct native_event *event = &host->trace.events[i];
                if (event->old && event->kind == NATIVE_WRITE)
                        native_image_write(&host->image, event->offset, event->old,
                                           event->length);
        }
        native_image_resize(&host->image, t->old_size);
        host->outcome.rolled_back = true;
        t->state = NATIVE_IDLE;
}
