/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory: ordinary memory, laid out as guest/abi.h says, that stays from run
 * to run.  What a run has touched is noted, and put right before the next.
 */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_GUEST_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/vmm/vm.h"

#define DOORBELL_MEMORY (4u << 20)

/* Data and bss of the program that runs. */
#define DOORBELL_DATA_BASE  0x12000u
#define DOORBELL_DATA_LIMIT 0x14000u

/* The machine, one for all runs, and its address 0. */
struct vm *doorbell_guest_machine(void);
uint8_t *doorbell_guest_memory(void);

/*
 * Memory as it is at a run's beginning: a pattern in the arena, else zeros.  First the
 * copies, DOORBELL_MEMORY bytes each, that the models have of it.
 */
void doorbell_guest_reset_copy(uint8_t *bytes);
void doorbell_guest_reset(void);

/* The same for a copy of zeros. */
void doorbell_guest_start_copy(uint8_t *bytes);

/* May the guest write there? */
bool doorbell_guest_range(uint64_t address, uint64_t length);

/* [address, +length), which is such a range, is going to be written. */
void doorbell_guest_touch(uint64_t address, uint64_t length);

/* What was touched, from one copy to another. */
void doorbell_guest_copy(uint8_t *to, const uint8_t *from);

/* Whether a copy and the memory are the same where the run has touched it. */
bool doorbell_guest_is(const uint8_t *bytes);

/* What the guest fills memory with. */
void doorbell_guest_fill(uint8_t *bytes, uint64_t length, uint16_t value);

#endif
