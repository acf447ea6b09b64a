/* SPDX-License-Identifier: MIT */
/*
 * Declared writes: compared with the image, hashed, journaled, remembered.
 *
 * Undo records are made of whole sectors.  What lies in sectors at or behind the
 * old end of the file has no old content; a range that crosses that line becomes
 * two records.
 */
#include <errno.h>
#include <string.h>

#include "host/vmm/transaction.h"

/* Where the first sector without old content starts. */
static uint64_t end_of_old_content(const struct transaction *t)
{
        return (t->old_size + ABI_SECTOR - 1) / ABI_SECTOR * ABI_SECTOR;
}

/* Journal the whole sectors [offset, +length): one record, or two. */
static enum run_status journal_sectors(struct transaction *t, const struct abi_request *r,
                                       uint64_t offset, uint64_t length,
                                       const uint8_t *old, const uint64_t *hashes)
{
        uint64_t line = end_of_old_content(t);
        uint64_t inside = 0;
        int error = 0;
        if (t->state != TRANSACTION_OPEN)
                return RUN_OK; /* a release is never undone */
        if (offset < line)
                inside = length < line - offset ? length : line - offset;
        struct journal_change change = {
            .step = r->step,
            .is_switch = r->flags & ABI_CHANGE_SWITCH,
            .offset = offset,
            .length = inside,
            .old_bytes = old,
            .new_hashes = hashes,
        };
        if (inside)
                error = journal_add(t->journal, &change);
        if (!error && inside < length) {
                change.behind_end = true;
                change.offset = offset + inside;
                change.length = length - inside;
                change.old_bytes = NULL;
                change.new_hashes = hashes + inside / ABI_SECTOR;
                error = journal_add(t->journal, &change);
        }
        t->unclosed = true;
        return error < 0 ? transaction_failed(t, RUN_JOURNAL_ERROR, error) : RUN_OK;
}

/* ---- overwrites -------------------------------------------------------------------- */

/* The sectors' old content as it will be when this change's turn comes. */
static enum run_status load_old(struct transaction *t, uint64_t offset, size_t length)
{
        int error = t->io.read(t->io.context, offset, t->buffer, length);
        if (error < 0)
                return transaction_failed(t, RUN_READ_ERROR, error);
        pending_overlay(&t->pending, offset, t->buffer, length);
        return RUN_OK;
}

static struct pending_change *remember(struct transaction *t, const struct abi_request *r,
                                       size_t bytes, size_t hashes)
{
        struct pending_change *change = pending_add(&t->pending, bytes, hashes);
        if (!change)
                return NULL;
        change->step = r->step;
        change->flags = r->flags;
        change->offset = r->offset;
        change->length = r->length;
        change->address = r->addr;
        return change;
}

/* Journal the change of the sectors in t->buffer (old) to t->copy (new). */
static enum run_status journal_overwrite(struct transaction *t,
                                         const struct abi_request *r, uint64_t first,
                                         size_t length)
{
        uint64_t hashes[64];
        for (size_t done = 0; done < length;) {
                size_t count = (length - done) / ABI_SECTOR;
                count = count < 64 ? count : 64;
                for (size_t i = 0; i < count; i++)
                        hashes[i] =
                            journal_hash(t->copy + done + i * ABI_SECTOR, ABI_SECTOR);
                enum run_status status = journal_sectors(
                    t, r, first + done, count * ABI_SECTOR, t->buffer + done, hashes);
                if (status)
                        return status;
                done += count * ABI_SECTOR;
        }
        return RUN_OK;
}

enum run_status declare_overwrite(struct transaction *t, const struct abi_request *r)
{
        uint64_t first = r->offset / ABI_SECTOR * ABI_SECTOR;
        uint64_t lead = r->offset - first;
        const uint8_t *guest = vm_range(t->vm, r->addr, r->length);
        if (!guest || r->length > ABI_MAX_OVERWRITE - 2 * ABI_SECTOR)
                return transaction_broken(t, "overwrite: address or length");
        if (pending_fresh_overlaps(&t->pending, r->offset, r->length))
                return transaction_broken(t, "overwrite: over a fresh range");
        size_t length =
            (size_t)((lead + r->length + ABI_SECTOR - 1) / ABI_SECTOR * ABI_SECTOR);
        enum run_status status = load_old(t, first, length);
        if (status)
                return status;
        if (journal_hash(t->buffer + lead, r->length) != r->value)
                return RUN_CHANGED;
        struct pending_change *change = remember(t, r, r->length, 0);
        if (!change)
                return transaction_broken(t, "overwrite: too many changes");
        uint8_t *bytes = t->pending.bytes + change->store;
        memcpy(bytes, guest, r->length); /* once: from here on only this copy counts */
        memcpy(t->copy, t->buffer, length);
        memcpy(t->copy + lead, bytes, r->length);
        return journal_overwrite(t, r, first, length);
}

/* ---- fresh ranges
 * ------------------------------------------------------------------------ */

static bool all_zero(const uint8_t *bytes, size_t length)
{
        return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* Inside the old file a fresh range is a hole: it reads as zeros. */
static enum run_status check_zeros(struct transaction *t, uint64_t offset,
                                   uint64_t length)
{
        uint64_t line = end_of_old_content(t);
        uint64_t inside = offset < line ? line - offset : 0;
        inside = inside < length ? inside : length;
        for (uint64_t done = 0; done < inside;) {
                size_t piece = inside - done < TRANSACTION_BUFFER
                                   ? (size_t)(inside - done)
                                   : TRANSACTION_BUFFER;
                int error = t->io.read(t->io.context, offset + done, t->buffer, piece);
                if (error < 0)
                        return transaction_failed(t, RUN_READ_ERROR, error);
                pending_overlay(&t->pending, offset + done, t->buffer, piece);
                if (!all_zero(t->buffer, piece))
                        return RUN_CHANGED;
                done += piece;
        }
        return RUN_OK;
}

enum run_status declare_fresh(struct transaction *t, const struct abi_request *r)
{
        if (r->offset % ABI_SECTOR || r->length % ABI_SECTOR)
                return transaction_broken(t, "fresh range: not whole sectors");
        if (r->length > ABI_MAX_TRANSFER || !vm_range(t->vm, r->addr, r->length))
                return transaction_broken(t, "fresh range: address or length");
        enum run_status status = check_zeros(t, r->offset, r->length);
        if (status)
                return status;
        size_t sectors = (size_t)(r->length / ABI_SECTOR);
        struct pending_change *change = remember(t, r, 0, sectors);
        if (!change)
                return transaction_broken(t, "fresh range: too many changes");
        uint64_t *hashes = t->pending.hashes + change->store;
        const uint8_t *guest = vm_range(t->vm, r->addr, r->length);
        for (size_t i = 0; i < sectors; i++) {
                memcpy(t->copy, guest + i * ABI_SECTOR, ABI_SECTOR);
                hashes[i] = journal_hash(t->copy, ABI_SECTOR);
        }
        return journal_sectors(t, r, r->offset, r->length, NULL, hashes);
}
