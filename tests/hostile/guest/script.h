/* SPDX-License-Identifier: MIT */
/*
 * The script of the hostile guest: what it does, statement by statement.  The driver
 * writes it into the program's data before the program is loaded; tests/hostile/script.py
 * is the other side of this file.
 *
 * Every request, result and report is bytes at an address of guest/abi.h, so few kinds of
 * statements can say all that a guest can say.
 */
#ifndef INSTAR_TESTS_HOSTILE_GUEST_SCRIPT_H
#define INSTAR_TESTS_HOSTILE_GUEST_SCRIPT_H

#include <stdint.h>

/* Of the script's place in the program; what it holds until a script is written there. */
#define SCRIPT_ROOM   (160u << 10)
#define SCRIPT_MARKER "a hostile guest's script"

enum script_kind {
        SCRIPT_END = 0,     /* guest_main returns, which is an exception */
        SCRIPT_STORE = 1,   /* `width` bytes of value to address */
        SCRIPT_BYTES = 2,   /* value bytes, which follow, to address; padded to 8 */
        SCRIPT_FILL = 3,    /* value bytes at address become `width` */
        SCRIPT_ADD = 4,     /* value to the 64-bit number at address */
        SCRIPT_HASH = 5,    /* fingerprint of the value bytes at address to `to` */
        SCRIPT_LOAD = 6,    /* read the byte at address */
        SCRIPT_EXECUTE = 7, /* call address */
        SCRIPT_RING = 8,
        SCRIPT_AGAIN = 9,  /* value times more: go on at byte address of the script */
        SCRIPT_SPIN = 10,  /* for ever */
        SCRIPT_OUT = 11,   /* to port value */
        SCRIPT_FAULT = 12, /* value: enum script_fault */
        SCRIPT_WHEN =
            13, /* go on at byte `to` unless abi_call.flags has a bit of value */
        SCRIPT_AWAIT = 14, /* until the 64-bit number at address is not value */
};

enum script_fault {
        SCRIPT_UD2,
        SCRIPT_HLT,
        SCRIPT_SYSCALL,
        SCRIPT_STACK_OVERFLOW,
};

struct script_statement {
        uint32_t kind;
        uint32_t width;
        uint64_t address;
        uint64_t value;
        uint64_t to;
};

#endif
