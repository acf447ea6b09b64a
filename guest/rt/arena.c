/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator over memory that reads as zeros until it is written.  What
 * lies above the high-water mark was never handed out, so it needs no clearing:
 * an allocation touches no page (20 microseconds each) that its user does not.
 */
#include "guest/rt/arena.h"

#include <string.h>

#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"

#define ARENA_ALIGNMENT 16u
#define HUGE_PAGE       (2ull << 20)

/* Below this, the pages cost less than the exit that would spare them. */
#define POPULATE_MINIMUM (1ull << 20)

static uint64_t used;       /* bytes handed out */
static uint64_t high_water; /* bytes ever handed out: above, all is zeros */
static uint64_t populated;  /* bytes the host was asked to back */

void arena_reset(void)
{
        used = 0;
        high_water = 0;
        populated = 0;
}

void *arena_alloc(uint64_t length)
{
        uint64_t end;

        if (!checked_add(used, length, &end) ||
            !checked_round_up(end, ARENA_ALIGNMENT, &end) || end > rt_arena_size())
                return NULL;
        uint8_t *memory = rt_arena_base() + used;
        if (used < high_water) {
                uint64_t dirty = (end < high_water ? end : high_water) - used;
                memset(memory, 0, dirty);
        }
        used = end;
        if (high_water < end)
                high_water = end;
        return memory;
}

uint64_t arena_left(void)
{
        return (rt_arena_size() - used) & ~(uint64_t)(ARENA_ALIGNMENT - 1);
}

uint64_t arena_high_water(void)
{
        return high_water;
}

uint64_t arena_mark(void)
{
        return used;
}

void arena_release(uint64_t mark)
{
        if (mark < used)
                used = mark;
}

void arena_populate(uint64_t more)
{
        uint64_t end;

        if (more < POPULATE_MINIMUM || !checked_add(used, more, &end) ||
            !checked_round_up(end, HUGE_PAGE, &end))
                return;
        if (end > rt_arena_size())
                end = rt_arena_size();
        if (end <= populated)
                return;
        doorbell_add(ABI_POPULATE, 0)->length = end;
        doorbell_ring(); /* the caller may write there as soon as this returns */
        populated = end;
}
