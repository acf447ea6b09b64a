/* SPDX-License-Identifier: MIT */
/*
 * What the files vm*.c share: the machine itself, and where the host keeps the
 * pages that the processor needs and the guest never sees.
 *
 * Guest physical memory (one memslot; guest virtual equals guest physical):
 *
 *     0x00000            nothing: a null pointer faults
 *     0x01000 .. 0x05000 PML4, PDPT, the page table of the first 2 MiB, TSS
 *     0x10000 .. 0xd0000 what guest/abi.h says, 4 KiB pages, W^X
 *     0xe0000 .. 0xf0000 page directories, one per GiB
 *     0x200000 ..        arena, 2 MiB pages, never executable
 *
 * Only what abi.h says is mapped for the guest (invariant 10).
 */
#ifndef INSTAR_HOST_VMM_VM_INTERNAL_H
#define INSTAR_HOST_VMM_VM_INTERNAL_H

#include <linux/kvm.h>

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

struct vm {
        int vm_fd; /* closed once the vCPU is made */
        int vcpu_fd;
        struct kvm_run *run;
        size_t run_size;
        uint8_t *mapping; /* what mmap gave; `memory` is aligned inside it */
        size_t mapping_size;
        uint8_t *memory; /* guest address 0, 2 MiB aligned */
        uint64_t memory_size;
        uint64_t populated;         /* bytes of the arena already backed by huge pages */
        struct abi_program program; /* of the loaded program, checked */
        bool used;                  /* has been loaded before: more to clear */
        bool stopped_in_io;         /* KVM has still to complete the last exit */
        struct vm_diagnosis diagnosis;
};

/* Write page tables and TSS for the loaded program (vm_pagetable.c). */
void vm_write_page_tables(struct vm *vm);

/* Set every register for the program's first instruction; on a used vCPU also
 * everything that a guest at CPL 3 can have changed.  0 or a negative errno. */
int vm_set_registers(struct vm *vm);

/* Reserve guest memory, untouched; release it. */
int vm_memory_reserve(struct vm *vm);
void vm_memory_release(struct vm *vm);

/* vm_run's limit and vm_interrupt() watch over this machine, run by the calling thread;
 * -EBUSY if they watch over another. */
int vm_guard(struct vm *vm);
void vm_unguard(const struct vm *vm);

/* In a child process: the parent's machine and its timer are not there. */
void vm_after_fork(void);

/* ioctl(2) as 0-or-more, or a negative errno; restarted when interrupted. */
int vm_ioctl(int fd, unsigned long request, void *argument);

#endif
