/* SPDX-License-Identifier: MIT */
#include "guest/rt/transaction.h"

#include "guest/rt/doorbell.h"
#include "guest/rt/fingerprint.h"

void transaction_begin(uint64_t old_size, uint64_t final_size, uint32_t flags)
{
        struct abi_request *request = doorbell_add(ABI_BEGIN, 0);
        request->flags = flags;
        request->offset = old_size;
        request->length = final_size;
}

void transaction_assert_sum(uint64_t offset, uint64_t length, uint64_t sum)
{
        struct abi_request *request = doorbell_add(ABI_ASSERT, length);
        request->offset = offset;
        request->length = length;
        request->value = sum;
}

void transaction_assert(uint64_t offset, const void *seen, uint64_t length)
{
        if (length)
                transaction_assert_sum(offset, length, fingerprint(seen, length));
}

void transaction_claim(uint64_t offset, uint64_t length)
{
        if (!length)
                return;
        struct abi_request *request = doorbell_add(ABI_CLAIM, 0);
        request->offset = offset;
        request->length = length;
}

static struct abi_request *change(uint32_t step, uint32_t flags, uint64_t offset,
                                  const void *bytes, uint64_t length)
{
        struct abi_request *request = doorbell_add(ABI_JOURNAL, length);
        request->step = step;
        request->flags = flags;
        request->offset = offset;
        request->length = length;
        request->addr = (guest_addr_t)(uintptr_t)bytes;
        return request;
}

void transaction_write(uint32_t step, uint32_t flags, uint64_t offset, const void *old,
                       const void *bytes, uint64_t length)
{
        change(step, flags, offset, bytes, length)->value = fingerprint(old, length);
}

void transaction_fresh(uint32_t step, uint64_t offset, const void *bytes, uint64_t length)
{
        change(step, ABI_CHANGE_FRESH, offset, bytes, length);
}

void transaction_punch(uint32_t step, uint64_t offset, uint64_t length)
{
        change(step, ABI_CHANGE_PUNCH, offset, 0, length);
}

void transaction_truncate(uint32_t step, uint64_t size)
{
        change(step, ABI_CHANGE_TRUNCATE, size, 0, 0);
}

void transaction_apply(uint32_t step, uint32_t flags)
{
        struct abi_request *request = doorbell_add(ABI_APPLY, 0);
        request->step = step;
        request->flags = flags;
}

void transaction_flush(void)
{
        doorbell_ring();
}

void program_end(const struct abi_result *result)
{
        rt_doorbell()->result = *result;
        doorbell_add(ABI_END, 0);
        doorbell_ring();
}
