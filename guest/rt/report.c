/* SPDX-License-Identifier: MIT */
#include "guest/rt/report.h"

#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"

#define ALIGNMENT 16u /* of every report, for the structs in it */

static uint8_t *buffer;
static uint64_t size;
static uint64_t used;

bool report_start(uint64_t capacity)
{
        buffer = arena_alloc(capacity);
        size = capacity;
        used = 0;
        return buffer;
}

void *report_add(enum abi_report_kind kind, uint64_t length)
{
        if (length > size - used) {
                doorbell_ring(); /* the host has them all: the buffer is free */
                used = 0;
        }
        uint8_t *report = buffer + used;
        struct abi_request *request = doorbell_add(ABI_REPORT, length);
        request->length = length;
        request->addr = (guest_addr_t)(uintptr_t)report;
        request->value = kind;
        used += (length + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
        used = used < size ? used : size;
        return report;
}
