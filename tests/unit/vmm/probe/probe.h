/* SPDX-License-Identifier: MIT */
/*
 * A guest that tries one thing, chosen by the host: abi_call.granularity holds the
 * probe's number, abi_call.header_fingerprint an address or a port for those that
 * need one.  It rings after the attempt: a doorbell with SURVIVED in its count means
 * that nothing stopped it.
 */
#ifndef INSTAR_TESTS_UNIT_VMM_PROBE_H
#define INSTAR_TESTS_UNIT_VMM_PROBE_H

#define PROBE_SURVIVED 0x5afeu
#define PROBE_DIRTY    0xbadu /* memory was not as a program may expect it */

/* One instruction each: name, assembly.  These end the guest. */
#define FORBIDDEN_INSTRUCTIONS(X)                                                        \
        X(HLT, "hlt")                                                                    \
        X(INT3, "int3")                                                                  \
        X(INT_80, "int $0x80")                                                           \
        X(UD2, "ud2")                                                                    \
        X(DIVIDE_BY_ZERO, "xor %%ecx, %%ecx; div %%ecx")                                 \
        X(SYSCALL, "syscall")                                                            \
        X(SYSENTER, "sysenter")                                                          \
        X(SYSRET, "sysretq")                                                             \
        X(WRMSR, "mov $0xc0000080, %%ecx; xor %%eax, %%eax; wrmsr")                      \
        X(RDMSR, "mov $0xc0000080, %%ecx; rdmsr")                                        \
        X(MOV_TO_CR3, "mov %%rax, %%cr3")                                                \
        X(MOV_FROM_CR0, "mov %%cr0, %%rax")                                              \
        X(MOV_TO_DR7, "mov %%rax, %%dr7")                                                \
        X(CLTS, "clts")                                                                  \
        X(LGDT, "lgdt (%%rsp)")                                                          \
        X(LIDT, "lidt (%%rsp)")                                                          \
        X(LLDT, "mov $8, %%eax; lldt %%ax")                                              \
        X(LTR, "mov $8, %%eax; ltr %%ax")                                                \
        X(LMSW, "xor %%eax, %%eax; lmsw %%ax")                                           \
        X(INVLPG, "invlpg (%%rsp)")                                                      \
        X(WBINVD, "wbinvd")                                                              \
        X(XSETBV, "xor %%ecx, %%ecx; xsetbv")                                            \
        X(LOAD_SEGMENT, "mov $8, %%eax; mov %%eax, %%ds")                                \
        X(RETURN_TO_CPL_0, "push $8; push $0x10000; lretq")                              \
        X(IN_DOORBELL, "in $0x10, %%al")                                                 \
        X(OUT_WORD_DOORBELL, "out %%ax, $0x10")                                          \
        X(OUT_LONG_DOORBELL, "out %%eax, $0x10")                                         \
        X(OUT_PORT_BELOW, "out %%al, $0xf")                                              \
        X(OUT_PORT_ABOVE, "out %%al, $0x11")                                             \
        X(OUT_SERIAL, "mov $0x3f8, %%edx; out %%al, %%dx")                               \
        X(OUT_LAST_PORT, "mov $0xffff, %%edx; out %%al, %%dx")                           \
        X(IN_KEYBOARD, "in $0x60, %%al")

/* These may pass on one processor and not on another; they do no harm. */
#define HARMLESS_INSTRUCTIONS(X)                                                         \
        X(CLI, "cli")                                                                    \
        X(STI, "sti")                                                                    \
        X(CPUID, "xor %%eax, %%eax; cpuid")                                              \
        X(RDTSC, "rdtsc")                                                                \
        X(VMCALL, "mov $-1, %%eax; vmcall")                                              \
        X(VMMCALL, "mov $-1, %%eax; vmmcall")                                            \
        X(SINGLE_STEP, "pushfq; orl $0x100, (%%rsp); popfq; nop")                        \
        X(ALIGNMENT_CHECK, "pushfq; orl $0x40000, (%%rsp); popfq; mov 1(%%rsp), %%eax")  \
        X(CLEAR_IOPL, "pushfq; andl $0xffffcfff, (%%rsp); popfq")                        \
        X(OUTS_DOORBELL, "mov $0x10, %%edx; mov $4, %%ecx; mov %%rsp, %%rsi; rep outsb") \
        X(PAUSE, "pause")

#define PROBE_NAME(name, assembly) PROBE_##name,

enum probe {
        /* Check that all memory is as at a first start, soil it, and echo twice:
         * requests[0].value + 1. */
        PROBE_ECHO,
        PROBE_SSE2,   /* checks a vector addition; DIRTY if it is wrong */
        PROBE_RETURN, /* from guest_main */
        PROBE_LOOP,
        PROBE_READ,    /* from the address */
        PROBE_WRITE,   /* to the address */
        PROBE_EXECUTE, /* at the address */
        PROBE_EXECUTE_DATA,
        PROBE_EXECUTE_STACK,
        PROBE_WRITE_RODATA,
        PROBE_STACK_OVERFLOW,
        PROBE_FILL_ARENA, /* a byte in every page, for as many bytes as the address says
                           */
        FORBIDDEN_INSTRUCTIONS(PROBE_NAME) HARMLESS_INSTRUCTIONS(PROBE_NAME) PROBE_COUNT,
};

#endif
