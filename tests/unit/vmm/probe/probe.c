/* SPDX-License-Identifier: MIT */
#include "tests/unit/vmm/probe/probe.h"

#include <emmintrin.h>
#include <stdbool.h>

#include "guest/rt/platform.h"

#define RETURN_INSTRUCTION 0xc3u
#define SOIL               0x5a

void guest_main(void);

static uint8_t initialized[ABI_PAGE_SIZE] = {1};
static uint8_t zeroed[ABI_PAGE_SIZE];
static uint8_t code_in_data[16] = {RETURN_INSTRUCTION};
static const uint8_t constant[16] = {7};

static void ring(uint32_t answer)
{
        rt_doorbell()->count = answer;
        rt_ring();
}

/* Is memory as a program may expect it?  Leave it as no program may find it. */
static bool inspect_and_soil(void)
{
        volatile uint8_t *zeros[] = {
            zeroed,
            zeroed + sizeof zeroed - 1,
            rt_arena_base(),
            rt_arena_base() + rt_arena_size() - 1,
            (volatile uint8_t *)(uintptr_t)ABI_STACK_BASE,
            (volatile uint8_t *)&rt_doorbell()->result,
            (volatile uint8_t *)(uintptr_t)(ABI_DOORBELL_LIMIT - 1),
        };
        volatile uint8_t *one = initialized;
        bool clean = *one == 1;

        *one = SOIL;
        for (unsigned i = 0; i < sizeof zeros / sizeof zeros[0]; i++) {
                clean &= *zeros[i] == 0;
                *zeros[i] = SOIL;
        }
        return clean;
}

static void echo(void)
{
        uint32_t answer = inspect_and_soil() ? PROBE_SURVIVED : PROBE_DIRTY;

        for (int i = 0; i < 2; i++) {
                rt_doorbell()->requests[0].value++;
                ring(answer);
        }
}

static void vectors(void)
{
        volatile uint64_t input[2] = {1ull << 40, 7};
        __m128i vector = _mm_set_epi64x((int64_t)input[1], (int64_t)input[0]);
        uint64_t sums[2];

        _mm_storeu_si128((__m128i *)(void *)sums, _mm_add_epi64(vector, vector));
        ring(sums[0] == 2ull << 40 && sums[1] == 14 ? PROBE_SURVIVED : PROBE_DIRTY);
}

static void execute(const volatile void *address)
{
        __asm__ volatile("call *%0" : : "r"(address) : "memory");
}

static void execute_stack(void)
{
        volatile uint8_t code[16] = {RETURN_INSTRUCTION};
        execute(code);
}

static void fill_arena(uint64_t length)
{
        for (uint64_t i = 0; i < length; i += ABI_PAGE_SIZE)
                *(volatile uint8_t *)(rt_arena_base() + i) = 1;
}

static void memory_probe(uint64_t probe, uint64_t address)
{
        volatile uint8_t *byte = (volatile uint8_t *)(uintptr_t)address;

        if (probe == PROBE_READ)
                (void)*byte;
        else if (probe == PROBE_WRITE)
                *byte = RETURN_INSTRUCTION;
        else if (probe == PROBE_EXECUTE)
                execute(byte);
        else if (probe == PROBE_EXECUTE_DATA)
                execute(code_in_data);
        else if (probe == PROBE_EXECUTE_STACK)
                execute_stack();
        else if (probe == PROBE_WRITE_RODATA)
                __asm__ volatile("movb $1, %0" : : "m"(constant) : "memory");
        else if (probe == PROBE_STACK_OVERFLOW)
                __asm__ volatile("1: push %%rax; jmp 1b" : : : "memory");
        else if (probe == PROBE_FILL_ARENA)
                fill_arena(address);
}

#define INSTRUCTION(name, assembly)                                                      \
        case PROBE_##name:                                                               \
                __asm__ volatile("sub $256, %%rsp;" assembly "; add $256, %%rsp"         \
                                 :                                                       \
                                 :                                                       \
                                 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory");  \
                break;

static void instruction_probe(uint64_t probe)
{
        switch (probe) {
                FORBIDDEN_INSTRUCTIONS(INSTRUCTION)
                HARMLESS_INSTRUCTIONS(INSTRUCTION)
        default:
                break;
        }
}

void guest_main(void)
{
        uint64_t probe = rt_call()->granularity;

        if (probe == PROBE_RETURN)
                return;
        while (probe == PROBE_LOOP)
                __asm__ volatile("" : : : "memory");
        if (probe == PROBE_ECHO)
                echo();
        if (probe == PROBE_SSE2)
                vectors();
        memory_probe(probe, rt_call()->header_fingerprint);
        instruction_probe(probe);
        ring(PROBE_SURVIVED);
}
