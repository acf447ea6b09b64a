/* SPDX-License-Identifier: MIT */
#include "tests/hostile/guest/script.h"

#include <string.h>

#include "guest/rt/fingerprint.h"
#include "guest/rt/platform.h"

void guest_main(void);

/* In data, not in bss: the driver finds it in the flat binary.  Statements change while
 * they are carried out: they count. */
static union {
        char marker[SCRIPT_ROOM];
        uint8_t bytes[SCRIPT_ROOM];
} script = {.marker = SCRIPT_MARKER};

static void store(uint64_t address, const void *bytes, uint64_t length)
{
        for (uint64_t i = 0; i < length; i++)
                ((volatile uint8_t *)(uintptr_t)address)[i] = ((const uint8_t *)bytes)[i];
}

static void fill(uint64_t address, uint8_t byte, uint64_t length)
{
        for (uint64_t i = 0; i < length; i++)
                ((volatile uint8_t *)(uintptr_t)address)[i] = byte;
}

static void add(uint64_t address, uint64_t value)
{
        uint64_t number;

        memcpy(&number, (const void *)(uintptr_t)address, sizeof number);
        number += value;
        store(address, &number, sizeof number);
}

static void hash(uint64_t address, uint64_t length, uint64_t to)
{
        uint64_t sum = fingerprint((const void *)(uintptr_t)address, length);

        store(to, &sum, sizeof sum);
}

static void await(uint64_t address, uint64_t value)
{
        while (*(volatile uint64_t *)(uintptr_t)address == value)
                ;
}

static void spin(void)
{
        for (;;)
                __asm__ volatile("" : : : "memory");
}

static void fault(uint64_t kind)
{
        switch (kind) {
        case SCRIPT_HLT:
                __asm__ volatile("hlt");
                break;
        case SCRIPT_SYSCALL:
                __asm__ volatile("syscall" : : "a"(39) : "rcx", "r11", "memory");
                break;
        case SCRIPT_STACK_OVERFLOW:
                __asm__ volatile("1: push %%rax; jmp 1b" : : : "memory");
                break;
        default:
                __asm__ volatile("ud2");
        }
}

/* Where the script goes on. */
static uint64_t again(struct script_statement *s, uint64_t next)
{
        if (!s->value)
                return next;
        s->value--;
        return s->address;
}

/* What ends or only changes memory. */
static void carry_out(const struct script_statement *s)
{
        switch (s->kind) {
        case SCRIPT_STORE:
                store(s->address, &s->value, s->width);
                break;
        case SCRIPT_FILL:
                fill(s->address, (uint8_t)s->width, s->value);
                break;
        case SCRIPT_ADD:
                add(s->address, s->value);
                break;
        case SCRIPT_HASH:
                hash(s->address, s->value, s->to);
                break;
        case SCRIPT_LOAD:
                (void)*(volatile uint8_t *)(uintptr_t)s->address;
                break;
        case SCRIPT_EXECUTE:
                __asm__ volatile("call *%0" : : "r"(s->address) : "memory");
                break;
        case SCRIPT_RING:
                rt_ring();
                break;
        case SCRIPT_AWAIT:
                await(s->address, s->value);
                break;
        case SCRIPT_SPIN:
                spin();
                break;
        case SCRIPT_OUT:
                __asm__ volatile("outb %%al, %%dx" : : "d"((uint16_t)s->value), "a"(0));
                break;
        default:
                fault(s->value);
        }
}

void guest_main(void)
{
        uint64_t at = 0;

        for (;;) {
                struct script_statement *s = (void *)(script.bytes + at);

                at += sizeof *s;
                switch (s->kind) {
                case SCRIPT_END:
                        return;
                case SCRIPT_BYTES:
                        store(s->address, script.bytes + at, s->value);
                        at += (s->value + 7) & ~7ull;
                        break;
                case SCRIPT_AGAIN:
                        at = again(s, at);
                        break;
                case SCRIPT_WHEN:
                        at = rt_call()->flags & s->value ? at : s->to;
                        break;
                default:
                        carry_out(s);
                }
        }
}
