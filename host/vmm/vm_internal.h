/* SPDX-License-Identifier: MIT */
/*
 * What the files vm*.c share: the machine itself, and what each kind of machine does in
 * its own way.
 *
 *     vm.c vm_memory.c vm_watch.c   any machine
 *     vm_kvm*.c                     a virtual machine
 *     vm_process*.c                 a process
 *
 * Guest memory (guest virtual equals guest physical, and the addresses of the process):
 *
 *     0x00000            nothing: a null pointer faults
 *     0x01000 .. 0x05000 KVM: PML4, PDPT, the page table of the first 2 MiB, TSS
 *     0x10000 .. 0xd0000 what guest/abi.h says, 4 KiB pages, W^X
 *     0xe0000 .. 0xf0000 KVM: page directories, one per GiB
 *     0x200000 ..        arena, never executable; KVM: 2 MiB pages
 *
 * Only what abi.h says is mapped for the guest (invariant 10).
 */
#ifndef INSTAR_HOST_VMM_VM_INTERNAL_H
#define INSTAR_HOST_VMM_VM_INTERNAL_H

#include <linux/kvm.h>
#include <sys/types.h>
#include <time.h>

#include "host/vmm/vm.h"

#define VM_HUGE_PAGE (2ull << 20)

#define VM_PML4             0x1000u
#define VM_PDPT             0x2000u
#define VM_PAGE_TABLE       0x3000u
#define VM_TSS              0x4000u
#define VM_PAGE_DIRECTORIES 0xe0000u
#define VM_MEMORY_MIN       (2 * VM_HUGE_PAGE)
#define VM_MEMORY_MAX       (16ull << 30) /* what the page directories' room is for */

#define VM_TSS_IO_BITMAP 0x68u
/* The bitmap ends behind the doorbell's byte and the byte of ones that the
 * processor wants after it: any port above is refused by the limit. */
#define VM_TSS_LIMIT (VM_TSS_IO_BITMAP + ABI_DOORBELL_PORT / 8 + 1)

/* vm_operations.enter() beside the values of enum vm_exit: it was stopped from outside,
 * or for nothing. */
#define VM_ENTER_STOPPED (-1)

/* What each kind of machine does in its own way; ints are 0 or a negative errno. */
struct vm_operations {
        /* Reserve memory, make the machine, fill in `clock`. */
        int (*create)(struct vm *vm);
        void (*end)(struct vm *vm);
        void (*destroy)(struct vm *vm); /* of what create() has made, as far as it came */
        /* Before memory is cleared for a fresh try. */
        int (*rewind)(struct vm *vm);
        /* The program is in memory: map it, set every register. */
        int (*start)(struct vm *vm);
        /* Into the guest until it rings, ends, or is stopped: enum vm_exit, or
         * VM_ENTER_STOPPED.  Fills in the diagnosis where it ended. */
        int (*enter)(struct vm *vm);
        /* Let the enter() that is under way, or the next, return VM_ENTER_STOPPED.
         * Async-signal-safe. */
        void (*stop)(struct vm *vm);
        /* What stop() has asked for is done. */
        void (*stopped)(struct vm *vm);
        int clear_advice; /* madvise(2): memory reads as zeros again */
};

extern const struct vm_operations vm_kvm_operations;
extern const struct vm_operations vm_process_operations;

struct vm_kvm {
        int vcpu_fd;
        struct kvm_run *run;
        size_t run_size;
        bool stopped_in_io; /* KVM has still to complete the last exit */
};

struct vm_process {
        pid_t pid;     /* 0: there is none */
        bool confined; /* nothing but the guest's memory is left, and no system call */
        bool stopped;  /* by a signal of its own, which another can take the place of */
        bool ended;    /* killed by its filter, or by somebody */
};

struct vm {
        const struct vm_operations *operations;
        clockid_t clock;  /* the guest's processor time */
        uint8_t *mapping; /* what mmap gave; `memory` is aligned inside it */
        size_t mapping_size;
        uint8_t *memory; /* guest address 0, 2 MiB aligned */
        uint64_t memory_size;
        uint64_t populated;         /* bytes of the arena already backed by huge pages */
        struct abi_program program; /* of the loaded program, checked */
        bool used;                  /* has been loaded before: more to clear */
        struct vm_diagnosis diagnosis;
        union {
                struct vm_kvm kvm;
                struct vm_process process;
        };
};

/* Reserve guest memory, untouched, MAP_PRIVATE or MAP_SHARED; release it. */
int vm_memory_reserve(struct vm *vm, int sharing);
void vm_memory_release(struct vm *vm);

/* vm_run's limit and vm_interrupt() watch over this machine, run by the calling thread;
 * -EBUSY if they watch over another. */
int vm_guard(struct vm *vm);
void vm_unguard(const struct vm *vm);

/* In a child process: the parent's machine and its timer are not there. */
void vm_after_fork(void);

/* ---- KVM ---- */

/* Write page tables and TSS for the loaded program (vm_kvm_pagetable.c). */
void vm_kvm_write_page_tables(struct vm *vm);

/* Set every register for the program's first instruction; on a used vCPU also
 * everything that a guest at CPL 3 can have changed (vm_kvm_registers.c). */
int vm_kvm_set_registers(struct vm *vm);

/* ioctl(2) as 0-or-more, or a negative errno; restarted when interrupted. */
int vm_ioctl(int fd, unsigned long request, void *argument);

/* ---- the process ---- */

/* In the new process: give up everything of the parent's that can be given up by code
 * which is the parent's itself, move guest memory to its addresses, stop for the tracer
 * (vm_process_child.c).  `ready_fd`: a byte goes out when it may be traced, and one comes
 * back when it is. */
_Noreturn void vm_process_child(const struct vm *vm, int ready_fd);

/* Of the stopped process: leave nothing mapped but the guest's memory as the loaded
 * program wants it, and no system call (vm_process_confine.c). */
int vm_process_confine(struct vm *vm);

/* Every register as for the program's first instruction (vm_process_registers.c). */
int vm_process_set_registers(struct vm *vm);

/* Wait until it stops or ends: *status as waitpid(2) has it. */
int vm_process_wait(struct vm *vm, int *status);

#endif
