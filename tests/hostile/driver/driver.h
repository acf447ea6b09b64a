/* SPDX-License-Identifier: MIT */
/* What the parts of the hostile driver share. */
#ifndef INSTAR_TESTS_HOSTILE_DRIVER_DRIVER_H
#define INSTAR_TESTS_HOSTILE_DRIVER_DRIVER_H

#include <stdint.h>

#include "host/vmm/vm.h"

/* A 64-bit number of guest memory that is now the one, now the other value. */
struct flip {
        guest_addr_t address; /* 0: none */
        uint64_t one;
        uint64_t other;
};

/* How the run differs from one of instar; 0: not at all. */
struct circumstances {
        uint64_t limit_ms;   /* of processor time without a doorbell */
        uint64_t rings;      /* had already been counted */
        uint64_t bytes_read; /* likewise */
        uint64_t bytes_reported;
        uint64_t transactions;
        uint64_t
            header_offset; /* of the program: this 32-bit field becomes header_value */
        uint64_t header_value;
        struct flip flip;
};

extern struct circumstances circumstances;

/* What every guest program of this binary is. */
extern struct vm_program hostile_program;

/* Start the thread that flips; it ends with the process. */
void flip_start(struct vm *vm);

/* From the guest's first instruction on: before it, memory is the host's. */
void flip_now(void);

#endif
