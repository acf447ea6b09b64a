/* SPDX-License-Identifier: MIT */
#include "host/vmm/doorbell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/vmm/signals.h"

int doorbell_create(struct doorbell *d, struct vm *vm, struct image *image,
                    struct transaction *transaction)
{
        memset(d, 0, sizeof *d);
        d->vm = vm;
        d->image = image;
        d->io = image_io(image);
        d->transaction = transaction;
        d->requests = malloc(ABI_MAX_REQUESTS * sizeof *d->requests);
        return d->requests ? 0 : -ENOMEM;
}

void doorbell_destroy(struct doorbell *d)
{
        free(d->requests);
        free(d->report);
        d->requests = NULL;
        d->report = NULL;
}

int doorbell_report_to(struct doorbell *d, const struct report_sink *sink)
{
        d->sink = *sink;
        d->report = malloc(ABI_MAX_REPORT);
        return d->report ? 0 : -ENOMEM;
}

int doorbell_only_look(struct doorbell *d, const struct report_sink *sink)
{
        d->reads_only = true;
        return sink ? doorbell_report_to(d, sink) : 0;
}

void doorbell_restart(struct doorbell *d)
{
        d->rings = 0;
        d->bytes_read = 0;
        d->bytes_reported = 0;
        d->ended = false;
        memset(&d->result, 0, sizeof d->result);
        memset(&d->last, 0, sizeof d->last);
}

static enum run_status broken(struct doorbell *d, const char *rule)
{
        return transaction_broken(d->transaction, rule);
}

static enum run_status read_error(struct doorbell *d, int error)
{
        d->transaction->fault.error = error;
        return RUN_READ_ERROR;
}

static enum run_status answer_read(struct doorbell *d, const struct abi_request *r)
{
        uint64_t end;
        uint8_t *guest = vm_range(d->vm, r->addr, r->length);
        if (!r->length || !guest || __builtin_add_overflow(r->offset, r->length, &end) ||
            end > INT64_MAX)
                return broken(d, "read: range");
        d->bytes_read += r->length;
        if (d->bytes_read > ABI_MAX_READ)
                return broken(d, "read: too much in one run");
        int error = d->io.read(d->io.context, r->offset, guest, r->length);
        return error < 0 ? read_error(d, error) : RUN_OK;
}

static enum run_status answer_hole(struct doorbell *d, const struct abi_request *r,
                                   uint32_t index)
{
        uint64_t end;
        if (!r->length || __builtin_add_overflow(r->offset, r->length, &end) ||
            end > INT64_MAX)
                return broken(d, "hole: range");
        int hole = image_is_hole(d->image, r->offset, r->length);
        if (hole < 0)
                return read_error(d, hole);
        vm_doorbell(d->vm)->requests[index].value = (uint64_t)hole;
        return RUN_OK;
}

static enum run_status answer_populate(struct doorbell *d, const struct abi_request *r)
{
        return vm_populate(d->vm, r->length) < 0 ? broken(d, "populate: length") : RUN_OK;
}

static enum run_status answer_assert(struct doorbell *d, const struct abi_request *r)
{
        uint64_t end;
        if (__builtin_add_overflow(r->offset, r->length, &end) || end > INT64_MAX ||
            r->length > ABI_MAX_TRANSFER)
                return broken(d, "assertion: range");
        return transaction_assert(d->transaction, r);
}

/* Copied out first: the guest's memory may change while the copy is looked at. */
static enum run_status answer_report(struct doorbell *d, const struct abi_request *r)
{
        const uint8_t *guest = vm_range(d->vm, r->addr, r->length);
        if (!d->sink.take)
                return broken(d, "report: nobody asked");
        if (!r->length || r->length > ABI_MAX_REPORT || !guest)
                return broken(d, "report: range");
        if (r->value != ABI_REPORT_EXTENTS)
                d->bytes_reported += r->length;
        if (d->bytes_reported > ABI_MAX_REPORTS)
                return broken(d, "report: too much in one run");
        memcpy(d->report, guest, r->length);
        int error = d->sink.take(d->sink.context, r->value, d->report, r->length);
        if (error == -EBADMSG)
                return broken(d, "report: content");
        return error ? transaction_failed(d->transaction, RUN_OUTPUT_ERROR, error)
                     : RUN_OK;
}

static enum run_status answer_end(struct doorbell *d, bool last)
{
        if (!last)
                return broken(d, "end: requests behind it");
        if (d->result.code == ABI_OK && !transaction_is_complete(d->transaction))
                return broken(d, "end: success with an unfinished transaction");
        d->ended = true;
        return RUN_OK;
}

static enum run_status answer(struct doorbell *d, uint32_t index, uint32_t count)
{
        const struct abi_request *r = &d->requests[index];
        d->last = *r;
        if (r->reserved)
                return broken(d, "reserved field");
        if (d->reads_only && r->op != ABI_READ && r->op != ABI_QUERY_HOLE &&
            r->op != ABI_POPULATE && r->op != ABI_REPORT && r->op != ABI_END)
                return broken(d, "a request that writes");
        switch (r->op) {
        case ABI_READ:
                return answer_read(d, r);
        case ABI_QUERY_HOLE:
                return answer_hole(d, r, index);
        case ABI_POPULATE:
                return answer_populate(d, r);
        case ABI_BEGIN:
                return transaction_begin(d->transaction, r);
        case ABI_ASSERT:
                return answer_assert(d, r);
        case ABI_CLAIM:
                return transaction_claim(d->transaction, r);
        case ABI_JOURNAL:
                return transaction_declare(d->transaction, r);
        case ABI_APPLY:
                return transaction_apply(d->transaction, r);
        case ABI_REPORT:
                return answer_report(d, r);
        case ABI_END:
                return answer_end(d, index + 1 == count);
        default:
                return broken(d, "unknown request");
        }
}

/* Bytes that all requests of a doorbell move or compare. */
static bool transfer_is_bounded(const struct doorbell *d, uint32_t count)
{
        uint64_t total = 0;
        for (uint32_t i = 0; i < count; i++) {
                const struct abi_request *r = &d->requests[i];
                bool moves = r->op == ABI_READ || r->op == ABI_ASSERT ||
                             r->op == ABI_REPORT ||
                             (r->op == ABI_JOURNAL && !(r->flags & ABI_CHANGE_PUNCH));
                if (moves && (__builtin_add_overflow(total, r->length, &total) ||
                              total > ABI_MAX_TRANSFER))
                        return false;
        }
        return true;
}

enum run_status doorbell_answer(struct doorbell *d)
{
        volatile struct abi_doorbell *shared = vm_doorbell(d->vm);
        uint32_t count = shared->count;
        if (++d->rings > ABI_MAX_DOORBELLS)
                return broken(d, "too many doorbells");
        if (!count || count > ABI_MAX_REQUESTS)
                return broken(d, "number of requests");
        const void *requests = (const void *)(uintptr_t)shared->requests;
        const void *result = (const void *)(uintptr_t)&shared->result;
        memcpy(d->requests, requests, count * sizeof *d->requests);
        if (d->requests[count - 1].op == ABI_END)
                memcpy(&d->result, result, sizeof d->result);
        if (!transfer_is_bounded(d, count))
                return broken(d, "bytes of one doorbell");
        for (uint32_t i = 0; i < count && !d->ended; i++) {
                /* One doorbell may carry a whole edit: the user is heard between its
                 * requests, until the switch is durable. */
                if (signals_caught() && !transaction_is_committed(d->transaction))
                        return RUN_INTERRUPTED;
                enum run_status status = answer(d, i, count);
                if (status)
                        return status;
        }
        return RUN_OK;
}
