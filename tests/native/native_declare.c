/* SPDX-License-Identifier: MIT */
/* Declarations: the rules of host/vmm/transaction.c and declare.c. */
#include <stdlib.h>
#include <string.h>

#include "tests/native/native_host_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RELEASE_ONLY (ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE)

static const char *step_fault(const struct native_transaction *t,
                              const struct abi_request *r)
{
        bool is_switch = r->flags & ABI_CHANGE_SWITCH;
        if (!r->step || r->step > ABI_MAX_STEP || r->step < t->declared_step ||
            r->step <= t->applied_step)
                return "declaration: step out of order";
        if (t->state == NATIVE_COMMITTED)
                return is_switch ? "declaration: a second switch" : NULL;
        if (t->switch_step)
                return "declaration: behind the switch, before it is applied";
        if (r->flags & RELEASE_ONLY)
                return "declaration: release before the switch";
        if (is_switch && r->step == t->declared_step)
                return "declaration: the switch is not alone in its step";
        return NULL;
}

static const char *range_fault(const struct native_host *host,
                               const struct abi_request *r)
{
        const struct native_transaction *t = &host->transaction;
        uint64_t end;
        if (r->flags & ABI_CHANGE_TRUNCATE)
                return r->length || r->offset > t->final_size || host->block_device
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

static void widen(struct native_span *span, const struct abi_request *r)
{
        uint64_t end = r->offset + r->length;
        if (span->low == span->high)
                *span = (struct native_span){r->offset, end};
        if (r->offset < span->low)
                span->low = r->offset;
        if (end > span->high)
                span->high = end;
}

static bool touches(const struct native_span *span, uint64_t offset, uint64_t length)
{
        return offset < span->high && offset + length > span->low;
}

static struct native_pending *remember(struct native_transaction *t,
                                       const struct abi_request *r, uint64_t bytes,
                                       uint64_t hashes)
{
        if (t->pending_count == ABI_MAX_PENDING ||
            bytes > NATIVE_PENDING_BYTES - t->pending_bytes ||
            hashes > NATIVE_PENDING_HASHES - t->pending_hashes)
                return NULL;
        struct native_pending *pending = &t->pending[t->pending_count++];
        *pending = (struct native_pending){.request = *r};
        if (!(r->flags & RELEASE_ONLY))
                widen(r->flags & ABI_CHANGE_FRESH ? &t->fresh : &t->overwritten, r);
        t->pending_bytes += bytes;
        t->pending_hashes += hashes;
        return pending;
}

/* What the image will hold when this change's turn comes. */
static void overlay(const struct native_transaction *t, uint64_t offset, uint8_t *buffer,
                    uint64_t length)
{
        if (!touches(&t->overwritten, offset, length))
                return;
        for (uint32_t i = 0; i < t->pending_count; i++) {
                const struct native_pending *p = &t->pending[i];
                uint64_t end = p->request.offset + p->request.length;
                uint64_t from = p->request.offset > offset ? p->request.offset : offset;
                uint64_t to = end < offset + length ? end : offset + length;
                if (p->bytes && from < to)
                        memcpy(buffer + (from - offset),
                               p->bytes + (from - p->request.offset), to - from);
        }
}

static bool fresh_overlaps(const struct native_transaction *t,
                           const struct abi_request *r)
{
        if (!touches(&t->fresh, r->offset, r->length))
                return false;
        for (uint32_t i = 0; i < t->pending_count; i++) {
                const struct abi_request *other = &t->pending[i].request;
                if (other->flags & ABI_CHANGE_FRESH &&
                    other->offset < r->offset + r->length &&
                    r->offset < other->offset + other->length)
                        return true;
        }
        return false;
}

static enum native_status declare_overwrite(struct native_host *host,
                                            const struct abi_request *r)
{
        struct native_transaction *t = &host->transaction;
        if (!native_guest_range(host, r->addr, r->length) ||
            r->length > ABI_MAX_OVERWRITE - 2 * ABI_SECTOR)
                return native_broken(host, "overwrite: address or length");
        if (fresh_overlaps(t, r))
                return native_broken(host, "overwrite: over a fresh range");
        uint8_t *old = native_bytes((const void *)(uintptr_t)r->addr, r->length);
        uint8_t *new = native_bytes((const void *)(uintptr_t)r->addr, r->length);
        enum native_status status = native_read(host, r->offset, old, r->length);
        overlay(t, r->offset, old, r->length);
        if (!status && XXH3_64bits(old, r->length) != r->value)
                status = NATIVE_CHANGED;
        free(old);
        struct native_pending *pending = status ? NULL : remember(t, r, r->length, 0);
        if (pending)
                pending->bytes = new;
        else
                free(new);
        if (!status && !pending)
                return native_broken(host, "overwrite: too many changes");
        return status;
}

/* Inside the old file a fresh range reads as zeros. */
static enum native_status check_zeros(struct native_host *host,
                                      const struct abi_request *r)
{
        struct native_transaction *t = &host->transaction;
        uint64_t line = (t->old_size + ABI_SECTOR - 1) / ABI_SECTOR * ABI_SECTOR;
        uint8_t sector[ABI_SECTOR];
        for (uint64_t at = r->offset; at < r->offset + r->length && at < line;
             at += ABI_SECTOR) {
                enum native_status status = native_read(host, at, sector, ABI_SECTOR);
                if (status)
                        return status;
                overlay(t, at, sector, ABI_SECTOR);
                if (sector[0] || memcmp(sector, sector + 1, ABI_SECTOR - 1) != 0)
                        return NATIVE_CHANGED;
        }
        return NATIVE_OK;
}

static enum native_status declare_fresh(struct native_host *host,
                                        const struct abi_request *r)
{
        if (r->offset % ABI_SECTOR || r->length % ABI_SECTOR)
                return native_broken(host, "fresh range: not whole sectors");
        if (r->length > ABI_MAX_TRANSFER || !native_guest_range(host, r->addr, r->length))
                return native_broken(host, "fresh range: address or length");
        enum native_status status = check_zeros(host, r);
        if (status)
                return status;
        uint64_t sectors = r->length / ABI_SECTOR;
        struct native_pending *pending = remember(&host->transaction, r, 0, sectors);
        if (!pending)
                return native_broken(host, "fresh range: too many changes");
        pending->hashes = calloc(sectors, sizeof *pending->hashes);
        if (!pending->hashes)
                abort();
        const uint8_t *bytes = (const uint8_t *)(uintptr_t)r->addr;
        for (uint64_t i = 0; i < sectors; i++)
                pending->hashes[i] = XXH3_64bits(bytes + i * ABI_SECTOR, ABI_SECTOR);
        return NATIVE_OK;
}

static enum native_status declare_release(struct native_host *host,
                                          const struct abi_request *r)
{
        if (!remember(&host->transaction, r, 0, 0))
                return native_broken(host, "declaration: too many changes");
        return NATIVE_OK;
}

enum native_status native_declare(struct native_host *host, const struct abi_request *r)
{
        const uint32_t known = ABI_CHANGE_FRESH | ABI_CHANGE_SWITCH | RELEASE_ONLY;
        struct native_transaction *t = &host->transaction;
        if (t->state == NATIVE_IDLE)
                return native_broken(host, "declaration outside a transaction");
        if (r->flags & ~known || (r->flags & RELEASE_ONLY && r->flags & (r->flags - 1)))
                return native_broken(host, "declaration: flags");
        const char *fault = step_fault(t, r);
        if (!fault)
                fault = range_fault(host, r);
        if (fault)
                return native_broken(host, fault);
        t->declared_step = r->step;
        if (r->flags & ABI_CHANGE_SWITCH)
                t->switch_step = r->step;
        if (r->flags & RELEASE_ONLY)
                return declare_release(host, r);
        return r->flags & ABI_CHANGE_FRESH ? declare_fresh(host, r)
                                           : declare_overwrite(host, r);
}
