/* SPDX-License-Identifier: MIT */
/*
 * The first bytes of a guest program: struct abi_program (guest/abi.h), then the
 * first instruction.  The host has set every register: CPL 3, long mode, and a
 * 16-byte aligned stack pointer, so `call` leaves it as the ABI wants it.  The
 * program ends at an ABI_END doorbell, after which the host does not run it
 * again; if it returns instead, `ud2` ends it as an exception.
 */
#define ABI_PROGRAM_MAGIC 0x52545349
#define ABI_VERSION       1

        .section .program_header, "ax", @progbits
        .long ABI_PROGRAM_MAGIC
        .long ABI_VERSION
        .long guest_start
        .long program_text_end
        .long program_rodata_end
        .long program_data_end
        .long program_bss_end
        .long 0

        .globl guest_start
        .type guest_start, @function
guest_start:
        call guest_main
        ud2
        .size guest_start, . - guest_start

        .section .note.GNU-stack, "", @progbits
