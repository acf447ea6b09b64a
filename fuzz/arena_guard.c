/* SPDX-License-Identifier: MIT */
/*
 * The arena under AddressSanitizer: to it, one piece of memory that may be used
 * anywhere.  The linker puts these functions before the guest's own (--wrap), so that
 * what was not handed out, was given back, or lies between two allocations is poisoned.
 */
#include <sanitizer/asan_interface.h>
#include <stdint.h>

#include "guest/rt/arena.h"
#include "guest/rt/platform.h"

#define RED_ZONE  64u
#define ALIGNMENT 16u /* of what the real one hands out */

void __real_arena_reset(void);
void *__real_arena_alloc(uint64_t length);
uint64_t __real_arena_left(void);
void __real_arena_release(uint64_t mark);

void __wrap_arena_reset(void);
void *__wrap_arena_alloc(uint64_t length);
uint64_t __wrap_arena_left(void);
void __wrap_arena_release(uint64_t mark);

static uint64_t unpoisoned;    /* everything behind it in the arena is poisoned */
static const uint8_t *guarded; /* the arena that this is about */

/* Another host has another arena. */
static void poison_from(uint64_t mark)
{
        uint64_t size = rt_arena_size();
        if (guarded != rt_arena_base() || unpoisoned > size)
                unpoisoned = size;
        guarded = rt_arena_base();
        if (mark < unpoisoned)
                __asan_poison_memory_region(guarded + mark, unpoisoned - mark);
        unpoisoned = mark;
}

void __wrap_arena_reset(void)
{
        __real_arena_reset();
        poison_from(0);
}

/* The real one may clear what it hands out. */
void *__wrap_arena_alloc(uint64_t length)
{
        uint64_t whole;
        uint64_t mark = arena_mark();
        if (__builtin_add_overflow(length, RED_ZONE + ALIGNMENT - 1, &whole) ||
            (whole -= whole % ALIGNMENT) > __real_arena_left())
                return NULL;
        __asan_unpoison_memory_region(rt_arena_base() + mark, whole);
        uint8_t *memory = __real_arena_alloc(whole);
        __asan_poison_memory_region(memory + length, whole - length);
        unpoisoned = arena_mark();
        return memory;
}

uint64_t __wrap_arena_left(void)
{
        uint64_t left = __real_arena_left();
        return left > RED_ZONE ? left - RED_ZONE : 0;
}

void __wrap_arena_release(uint64_t mark)
{
        __real_arena_release(mark);
        poison_from(arena_mark());
}
