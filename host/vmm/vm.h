/* SPDX-License-Identifier: MIT */
/*
 * One virtual machine with one vCPU at CPL 3, over raw /dev/kvm.  This file knows
 * memory, registers and exits; what a doorbell means is doorbell.c's business.
 */
#ifndef INSTAR_HOST_VMM_VM_H
#define INSTAR_HOST_VMM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"

struct sandbox_config;

struct vm; /* malloc'ed before the sandbox is armed */

/* How vm_run() ended. */
enum vm_exit {
        VM_EXIT_DOORBELL,
        VM_EXIT_TIMEOUT,  /* no doorbell for the time limit */
        VM_EXIT_SIGNAL,   /* vm_interrupt() was called from a signal handler */
        VM_EXIT_SHUTDOWN, /* an exception in the guest */
        VM_EXIT_PROTOCOL, /* another port, MMIO, any other exit */
        VM_EXIT_FAILED,   /* KVM_RUN itself failed: errno in vm_diagnosis */
};

/* For INSTAR_DEBUG=1. */
struct vm_diagnosis {
        uint32_t exit_reason;
        uint64_t rip;
        uint64_t cr2;
        int error;
        bool registers_valid; /* SVM resets them at a shutdown */
};

/* A guest program, embedded in the binary at build time (one per operation). */
struct vm_program {
        const uint8_t *image;
        size_t length;
};

/* Open /dev/kvm, create the VM, its memory (`memory_size` bytes, a multiple of
 * 2 MiB, untouched) and its vCPU.  0 or a negative errno (-ENOENT, -EACCES: no
 * /dev/kvm; the message says how to get access). */
int vm_create(uint64_t memory_size, struct vm **vm);

/* Load the program, clear its other memory, set all registers; also resets the
 * same vCPU for a fresh try.  -EINVAL if the program's header is malformed. */
int vm_load(struct vm *vm, const struct vm_program *program);

/* The call page, for the host to fill before the first vm_run(). */
struct abi_call *vm_call(struct vm *vm);

/* The doorbell's memory.  It belongs to a hostile guest: copy out once, then
 * check the copy. */
volatile struct abi_doorbell *vm_doorbell(struct vm *vm);

/*
 * Guest memory [address, +length) if it lies wholly inside what the guest may
 * write itself (data and bss, stack, arena), else NULL.  Checked without overflow.
 */
uint8_t *vm_range(struct vm *vm, guest_addr_t address, uint64_t length);

/* Back arena [ABI_ARENA_BASE, +length) by cleared huge pages, as far as untouched.
 * -EINVAL if it is larger than the arena. */
int vm_populate(struct vm *vm, uint64_t length);

/*
 * Run until the next doorbell, for at most `timeout_ms` milliseconds of processor time
 * (to the next twentieth of a second).  From the thread that made the machine.
 */
enum vm_exit vm_run(struct vm *vm, uint32_t timeout_ms);

/* Make a vm_run() that is under way, or the next one, return VM_EXIT_SIGNAL.
 * Async-signal-safe. */
void vm_interrupt(void);

const struct vm_diagnosis *vm_diagnose(const struct vm *vm);

/* Fill in what running this machine takes: the filter, and the machine it allows. */
void vm_allow(const struct vm *vm, struct sandbox_config *config);

/* It will not be run again.  What can be done under the sandbox: a process is ended and
 * waited for, a virtual machine goes with its host. */
void vm_end(struct vm *vm);

/* End it, and give back everything; not under the sandbox. */
void vm_destroy(struct vm *vm);

#endif
