/* SPDX-License-Identifier: MIT */
/* The platform of a guest program: the memory map of guest/abi.h, and `out`. */
#include "guest/rt/platform.h"

const struct abi_call *rt_call(void)
{
        return (const struct abi_call *)(uintptr_t)ABI_CALL_BASE;
}

struct abi_doorbell *rt_doorbell(void)
{
        return (struct abi_doorbell *)(uintptr_t)ABI_DOORBELL_BASE;
}

/* The port's value carries nothing: everything is in memory.  The clobber makes
 * the compiler write the requests before and read the answers after. */
void rt_ring(void)
{
        __asm__ volatile("outb %%al, %0" : : "i"(ABI_DOORBELL_PORT), "a"(0) : "memory");
}

uint8_t *rt_arena_base(void)
{
        return (uint8_t *)(uintptr_t)ABI_ARENA_BASE;
}

uint64_t rt_arena_size(void)
{
        return rt_call()->memory_size - ABI_ARENA_BASE;
}
