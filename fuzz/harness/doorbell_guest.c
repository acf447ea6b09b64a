/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/doorbell_guest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz/harness/doorbell_input.h"
#include "host/vmm/vm_internal.h"

#define PATTERN_SIZE (64u << 10)
#define TOUCHES_MAX  DOORBELL_PIECES_MAX /* one request, one range */

static struct touch {
        uint64_t address;
        uint64_t length;
} touches[TOUCHES_MAX];
static size_t touch_count;

static const uint8_t *pattern(void)
{
        static uint8_t bytes[PATTERN_SIZE];
        if (!bytes[0])
                for (size_t i = 0; i < sizeof bytes; i++)
                        bytes[i] = (uint8_t)(1 + i % 251);
        return bytes;
}

/* As at a run's beginning, in the memory or in a copy of it. */
static void put_right(uint8_t *memory, const struct touch *touch)
{
        uint64_t end = touch->address + touch->length;
        uint64_t patterned = ABI_ARENA_BASE + PATTERN_SIZE;

        memset(memory + touch->address, 0, touch->length);
        if (touch->address < ABI_ARENA_BASE || touch->address >= patterned)
                return;
        if (end > patterned)
                end = patterned;
        memcpy(memory + touch->address, pattern() + (touch->address - ABI_ARENA_BASE),
               end - touch->address);
}

static void put_all_right(uint8_t *memory)
{
        const struct touch all = {ABI_ARENA_BASE, DOORBELL_MEMORY - ABI_ARENA_BASE};

        put_right(memory, &all);
}

struct vm *doorbell_guest_machine(void)
{
        static struct vm vm;

        if (vm.memory)
                return &vm;
        vm.memory_size = DOORBELL_MEMORY;
        vm.program.rodata_end = DOORBELL_DATA_BASE;
        vm.program.bss_end = DOORBELL_DATA_LIMIT;
        if (vm_memory_reserve(&vm, MAP_PRIVATE))
                abort();
        put_all_right(vm.memory);
        return &vm;
}

void doorbell_guest_reset_copy(uint8_t *bytes)
{
        for (size_t i = 0; i < touch_count; i++)
                put_right(bytes, &touches[i]);
}

uint8_t *doorbell_guest_memory(void)
{
        return doorbell_guest_machine()->memory;
}

void doorbell_guest_start_copy(uint8_t *bytes)
{
        put_all_right(bytes);
}

void doorbell_guest_reset(void)
{
        doorbell_guest_reset_copy(doorbell_guest_memory());
        doorbell_guest_machine()->populated = 0;
        touch_count = 0;
}

static bool inside(uint64_t address, uint64_t length, uint64_t from, uint64_t to)
{
        return address >= from && address <= to && length <= to - address;
}

bool doorbell_guest_range(uint64_t address, uint64_t length)
{
        return inside(address, length, DOORBELL_DATA_BASE, DOORBELL_DATA_LIMIT) ||
               inside(address, length, ABI_STACK_BASE, ABI_STACK_TOP) ||
               inside(address, length, ABI_ARENA_BASE, DOORBELL_MEMORY);
}

void doorbell_guest_touch(uint64_t address, uint64_t length)
{
        if (touch_count == TOUCHES_MAX)
                abort();
        touches[touch_count++] = (struct touch){address, length};
}

void doorbell_guest_copy(uint8_t *to, const uint8_t *from)
{
        for (size_t i = 0; i < touch_count; i++)
                memcpy(to + touches[i].address, from + touches[i].address,
                       touches[i].length);
}

bool doorbell_guest_is(const uint8_t *bytes)
{
        const uint8_t *memory = doorbell_guest_memory();

        for (size_t i = 0; i < touch_count; i++)
                if (memcmp(memory + touches[i].address, bytes + touches[i].address,
                           touches[i].length) != 0)
                        return false;
        return true;
}

void doorbell_guest_fill(uint8_t *bytes, uint64_t length, uint16_t value)
{
        for (uint64_t i = 0; i < length; i++)
                bytes[i] = (uint8_t)(value >> 8 ? value + i * (value >> 8) : value);
}
