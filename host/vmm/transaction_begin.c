/* SPDX-License-Identifier: MIT */
/*
 * How a transaction begins: is there room, is the image what the plan rests on, and a
 * journal for it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "host/vmm/transaction.h"

/* ---- begin ------------------------------------------------------------------- */

/* time(2) is not allowed any more, where it is not in the vDSO. */
static uint64_t seconds_now(void)
{
        struct timespec now = {0};
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec;
}

static enum run_status start_journal(struct transaction *t)
{
        if (t->state == TRANSACTION_COMMITTED) {
                int removed = journal_remove(t->journal);
                if (removed < 0)
                        return transaction_failed(t, RUN_JOURNAL_ERROR, removed);
                t->state = TRANSACTION_IDLE;
        }
        int error = journal_begin(t->journal, t->old_size, t->final_size);
        if (error < 0)
                return transaction_failed(t, RUN_JOURNAL_ERROR, error);
        if (!t->indexed) { /* one entry finds the image: later ones would say the same */
                memcpy(t->index_entry.transaction, journal_transaction_id(t->journal),
                       sizeof t->index_entry.transaction);
                t->index_entry.time = seconds_now();
                journal_index_put(t->index, &t->index_entry);
                t->indexed = true;
        }
        t->state = TRANSACTION_OPEN;
        return RUN_OK;
}

/* A full disk is better met before the first write than in the middle. */
static enum run_status look_at_space(struct transaction *t)
{
        if (t->journal_space < TRANSACTION_JOURNAL_SPACE)
                return transaction_failed(t, RUN_JOURNAL_ERROR, -ENOSPC);
        if (t->image_space < t->final_size - t->old_size)
                return transaction_failed(t, RUN_WRITE_ERROR, -ENOSPC);
        return RUN_OK;
}

enum run_status transaction_begin(struct transaction *t,
                                  const struct abi_request *request)
{
        uint64_t size;
        if (t->state == TRANSACTION_OPEN || t->pending.count)
                return transaction_broken(t, "begin inside a transaction");
        /* Of another one that fails the user would be told that nothing was changed. */
        if (transaction_is_committed(t))
                return transaction_broken(t, "begin behind the edit");
        if (request->flags & ~ABI_BEGIN_PREPARES)
                return transaction_broken(t, "begin: flags");
        if (++t->count > ABI_MAX_TRANSACTIONS)
                return transaction_broken(t, "too many transactions");
        if (request->length < request->offset ||
            request->length - request->offset > ABI_MAX_GROWTH ||
            request->length > INT64_MAX ||
            (t->image->block_device && request->length != request->offset))
                return transaction_broken(t, "begin: final size");
        int error = t->io.size(t->io.context, &size);
        if (error < 0)
                return transaction_failed(t, RUN_READ_ERROR, error);
        if (size != request->offset)
                return RUN_CHANGED;
        t->old_size = request->offset;
        t->final_size = request->length;
        t->resized = t->final_size == t->old_size;
        t->unclosed = false;
        t->journaled = false;
        t->first_sector_journaled = false;
        t->switch_step = 0;
        t->declared_step = 0;
        t->applied_step = 0;
        t->journal_error = 0;
        enum run_status status = look_at_space(t);
        if (!status)
                status = start_journal(t);
        /* Until this one is open, what is committed is the one before. */
        if (!status)
                t->prepares = request->flags & ABI_BEGIN_PREPARES;
        return status;
}

/* ---- assertions ------------------------------------------------------------------ */

/*
 * The image's first sector goes into the journal as it is, also where the edit does not
 * change it: a program that opens the image for writing leaves its mark there, as a rule,
 * and recovery then knows that it was here (invariant 7).
 */
static enum run_status journal_first_sector(struct transaction *t, const uint8_t *sector)
{
        uint64_t hash = journal_hash(sector, ABI_SECTOR);
        int error = journal_add(t->journal, &(struct journal_change){
                                                .step = 1,
                                                .length = ABI_SECTOR,
                                                .old_bytes = sector,
                                                .new_hashes = &hash,
                                            });
        t->first_sector_journaled = true;
        t->unclosed = true;
        return error < 0 ? transaction_failed(t, RUN_JOURNAL_ERROR, error) : RUN_OK;
}

/* The bytes that the assertion is about, summed up; the first sector of them is kept. */
static enum run_status sum_up(struct transaction *t, const struct abi_request *request,
                              uint64_t *sum, uint8_t first[ABI_SECTOR])
{
        XXH3_state_t state;
        XXH3_64bits_reset(&state);
        for (uint64_t done = 0; done < request->length;) {
                size_t piece = request->length - done < TRANSACTION_BUFFER
                                   ? (size_t)(request->length - done)
                                   : TRANSACTION_BUFFER;
                int error =
                    t->io.read(t->io.context, request->offset + done, t->buffer, piece);
                if (error < 0)
                        return transaction_failed(t, RUN_READ_ERROR, error);
                XXH3_64bits_update(&state, t->buffer, piece);
                if (!done && piece >= ABI_SECTOR)
                        memcpy(first, t->buffer, ABI_SECTOR);
                done += piece;
        }
        *sum = XXH3_64bits_digest(&state);
        return RUN_OK;
}

enum run_status transaction_assert(struct transaction *t,
                                   const struct abi_request *request)
{
        uint8_t first[ABI_SECTOR];
        uint64_t sum = 0;
        if (t->state != TRANSACTION_OPEN)
                return transaction_broken(t, "assertion outside a transaction");
        enum run_status status = sum_up(t, request, &sum, first);
        if (status)
                return status;
        if (sum != request->value)
                return RUN_CHANGED;
        if (request->offset || request->length < ABI_SECTOR || t->declared_step ||
            t->first_sector_journaled)
                return RUN_OK;
        return journal_first_sector(t, first);
}

/* ---- claims ------------------------------------------------------------------------ */

enum run_status transaction_claim(struct transaction *t,
                                  const struct abi_request *request)
{
        uint64_t end;
        if (t->state != TRANSACTION_OPEN || t->applied_step)
                return transaction_broken(t, "claim outside a build");
        if (!request->length ||
            __builtin_add_overflow(request->offset, request->length, &end) ||
            end > t->final_size)
                return transaction_broken(t, "claim: outside the file");
        int error = journal_claim(t->journal, request->offset, request->length);
        t->unclosed = true;
        return error < 0 ? transaction_failed(t, RUN_JOURNAL_ERROR, error) : RUN_OK;
}
