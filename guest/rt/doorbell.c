/* SPDX-License-Identifier: MIT */
#include "guest/rt/doorbell.h"

#include <string.h>

static uint64_t queued_transfer;

struct abi_request *doorbell_add(enum abi_op op, uint64_t transfer)
{
        struct abi_doorbell *doorbell = rt_doorbell();
        if (doorbell->count == ABI_MAX_REQUESTS ||
            transfer > ABI_MAX_TRANSFER - queued_transfer)
                doorbell_ring();
        queued_transfer += transfer;
        struct abi_request *request = &doorbell->requests[doorbell->count++];
        memset(request, 0, sizeof *request);
        request->op = op;
        return request;
}

void doorbell_ring(void)
{
        struct abi_doorbell *doorbell = rt_doorbell();
        if (!doorbell->count)
                return;
        rt_ring();
        doorbell_reset();
}

void doorbell_reset(void)
{
        rt_doorbell()->count = 0;
        queued_transfer = 0;
}
