/* SPDX-License-Identifier: MIT */
#include "tests/unit/rt/platform.h"

#include <stdlib.h>
#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"

struct platform platform;

static struct abi_doorbell doorbell;
static const struct abi_call call = {.memory_size = ABI_ARENA_BASE + PLATFORM_ARENA};
static uint8_t arena[PLATFORM_ARENA] __attribute__((aligned(4096)));

const struct abi_call *rt_call(void)
{
        return &call;
}

struct abi_doorbell *rt_doorbell(void)
{
        return &doorbell;
}

uint8_t *rt_arena_base(void)
{
        return arena;
}

uint64_t rt_arena_size(void)
{
        return sizeof arena;
}

uint8_t platform_image_byte(uint64_t offset)
{
        return (uint8_t)(offset ^ offset >> 8 ^ offset >> 16);
}

static void answer_read(const struct abi_request *request)
{
        uint8_t *to = (uint8_t *)(uintptr_t)request->addr;

        for (uint64_t i = 0; i < request->length; i++)
                to[i] = platform_image_byte(request->offset + i);
}

void rt_ring(void)
{
        if (platform.rings == PLATFORM_MAX_RINGS)
                abort();
        platform.doorbells[platform.rings++] = doorbell;
        for (uint32_t i = 0; i < doorbell.count; i++)
                if (doorbell.requests[i].op == ABI_READ && platform.answer_reads)
                        answer_read(&doorbell.requests[i]);
}

void platform_reset(void)
{
        memset(&platform, 0, sizeof platform);
        memset(arena, 0, sizeof arena);
        platform.answer_reads = true;
        arena_reset();
        doorbell_reset();
}
