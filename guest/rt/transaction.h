/* SPDX-License-Identifier: MIT */
/*
 * The guest's half of a transaction: requests that go out in the order they are
 * made, as few doorbells as possible.  By the time the first of them is made
 * every refusal has been made too: none of these functions can fail.
 *
 * Bytes handed over by address must stay unchanged until the step they belong to
 * has been applied and the doorbell has been rung.
 */
#ifndef INSTAR_GUEST_RT_TRANSACTION_H
#define INSTAR_GUEST_RT_TRANSACTION_H

#include "guest/abi.h"

/* Changes of a step that are declared before a part of it is applied, where there may be
 * any number of them: far below ABI_MAX_PENDING, because the host compares each with
 * those before it. */
#define TRANSACTION_PART 4096u

/* Start: the file size the plan rests on, and the size it ends with.  `flags`: 0 or
 * ABI_BEGIN_PREPARES. */
void transaction_begin(uint64_t old_size, uint64_t final_size, uint32_t flags);

/* The image's [offset, +length) must still be what the guest saw. */
void transaction_assert(uint64_t offset, const void *seen, uint64_t length);

/* The same of bytes that are gone: by their fingerprint(). */
void transaction_assert_sum(uint64_t offset, uint64_t length, uint64_t sum);

/* The edit takes the clusters [offset, +length), to which nothing refers. */
void transaction_claim(uint64_t offset, uint64_t length);

/* Overwrite [offset, +length), where the guest saw `old`.  `flags`: 0 or
 * ABI_CHANGE_SWITCH. */
void transaction_write(uint32_t step, uint32_t flags, uint64_t offset, const void *old,
                       const void *bytes, uint64_t length);

/* Write a fresh range: behind the old end, or a hole.  Whole sectors. */
void transaction_fresh(uint32_t step, uint64_t offset, const void *bytes,
                       uint64_t length);

/* Release only: punch a hole; cut the file. */
void transaction_punch(uint32_t step, uint64_t offset, uint64_t length);
void transaction_truncate(uint32_t step, uint64_t size);

/* Apply a step and make it durable; with ABI_APPLY_PART more of it follows. */
void transaction_apply(uint32_t step, uint32_t flags);

/* Send what is queued, now. */
void transaction_flush(void);

/* End the program with this result; goes out with what is queued. */
void program_end(const struct abi_result *result);

#endif
