/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: reserved whole, touched as little as possible (an untouched
 * page costs the guest 20 microseconds, and us the memory).
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* Bytes that even a small edit touches. */
#define TOUCH_STACK    (4 * ABI_PAGE_SIZE)
#define TOUCH_DOORBELL (2 * ABI_PAGE_SIZE)
#define TOUCH_ARENA    (32 * ABI_PAGE_SIZE)

int vm_memory_reserve(struct vm *vm, int sharing)
{
        /* One huge page more, to align guest address 0: only then can guest and
         * host agree about what a huge page is. */
        size_t size = vm->memory_size + VM_HUGE_PAGE;
        void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (mapping == MAP_FAILED)
                return -errno;
        vm->mapping = mapping;
        vm->mapping_size = size;
        vm->memory = vm->mapping + (-(uintptr_t)mapping & (VM_HUGE_PAGE - 1));
        /* Where huge pages are given to everybody, touching one page would clear
         * 2 MiB.  A kernel without huge pages refuses this, which is as good. */
        (void)madvise(vm->mapping, size, MADV_NOHUGEPAGE);
        return 0;
}

void vm_memory_release(struct vm *vm)
{
        if (vm->mapping)
                munmap(vm->mapping, vm->mapping_size);
}

/* Is the program's header one that cmake/GuestProgram.cmake makes?  Pages in order,
 * inside their room, and the flat binary as long as they say. */
static bool program_fits(const struct abi_program *program, size_t length)
{
        const uint32_t ends[] = {
            ABI_PROGRAM_BASE,  program->text_end, program->rodata_end,
            program->data_end, program->bss_end,  ABI_PROGRAM_LIMIT,
        };

        for (size_t i = 1; i < sizeof ends / sizeof ends[0]; i++)
                if (ends[i] < ends[i - 1] || ends[i] % ABI_PAGE_SIZE)
                        return false;
        return program->magic == ABI_PROGRAM_MAGIC && program->version == ABI_VERSION &&
               program->entry >= ABI_PROGRAM_BASE + sizeof *program &&
               program->entry < program->text_end &&
               length == program->data_end - ABI_PROGRAM_BASE;
}

/* A fresh try starts with the same memory as the first one. */
static int forget_last_run(struct vm *vm)
{
        int error = vm->operations->rewind(vm);

        if (error)
                return error;
        if (madvise(vm->memory, vm->memory_size, vm->operations->clear_advice))
                return -errno;
        vm->populated = 0;
        memset(&vm->diagnosis, 0, sizeof vm->diagnosis);
        return 0;
}

/* Write to every page without changing it: what MADV_POPULATE_WRITE does, for
 * kernels that do not have it. */
static void touch_pages(uint8_t *from, uint64_t length)
{
        for (uint64_t i = 0; i < length; i += ABI_PAGE_SIZE)
                atomic_fetch_or((_Atomic uint8_t *)(from + i), 0);
}

/*
 * What the guest is going to touch anyway.  It is cheaper from this side (about one
 * microsecond a page against twenty), and KVM then maps neighbours ahead
 * (vm_kvm_pagetable.c). Only a help: what fails here is touched later.
 */
static void touch_ahead(struct vm *vm)
{
        const struct abi_program *program = &vm->program;
        uint8_t *memory = vm->memory;

        touch_pages(memory + program->data_end, program->bss_end - program->data_end);
        touch_pages(memory + ABI_STACK_TOP - TOUCH_STACK, TOUCH_STACK);
        touch_pages(memory + ABI_DOORBELL_BASE, TOUCH_DOORBELL);
        (void)madvise(memory + ABI_ARENA_BASE, TOUCH_ARENA, MADV_POPULATE_WRITE);
}

int vm_load(struct vm *vm, const struct vm_program *program)
{
        struct abi_program header;
        int error;

        if (program->length < sizeof header)
                return -EINVAL;
        memcpy(&header, program->image, sizeof header);
        if (!program_fits(&header, program->length))
                return -EINVAL;
        if (vm->used) {
                error = forget_last_run(vm);
                if (error)
                        return error;
        }
        vm->program = header;
        memcpy(vm->memory + ABI_PROGRAM_BASE, program->image, program->length);
        touch_ahead(vm);
        error = vm->operations->start(vm);
        vm->used = true;
        return error;
}

struct abi_call *vm_call(struct vm *vm)
{
        return (struct abi_call *)(void *)(vm->memory + ABI_CALL_BASE);
}

volatile struct abi_doorbell *vm_doorbell(struct vm *vm)
{
        return (volatile struct abi_doorbell *)(void *)(vm->memory + ABI_DOORBELL_BASE);
}

static bool inside(guest_addr_t address, uint64_t length, uint64_t from, uint64_t to)
{
        return address >= from && address <= to && length <= to - address;
}

uint8_t *vm_range(struct vm *vm, guest_addr_t address, uint64_t length)
{
        if (inside(address, length, vm->program.rodata_end, vm->program.bss_end) ||
            inside(address, length, ABI_STACK_BASE, ABI_STACK_TOP) ||
            inside(address, length, ABI_ARENA_BASE, vm->memory_size))
                return vm->memory + address;
        return NULL;
}

int vm_populate(struct vm *vm, uint64_t length)
{
        uint64_t arena = vm->memory_size - ABI_ARENA_BASE;

        if (length > arena)
                return -EINVAL;
        length = (length + VM_HUGE_PAGE - 1) & ~(VM_HUGE_PAGE - 1);
        if (length <= vm->populated)
                return 0;
        uint8_t *from = vm->memory + ABI_ARENA_BASE + vm->populated;
        uint64_t more = length - vm->populated;
        /* Only a hint: without it the pages are small and the guest is slower. */
        (void)madvise(from, more, MADV_HUGEPAGE);
        if (madvise(from, more, MADV_POPULATE_WRITE)) {
                if (errno != EINVAL)
                        return -errno;
                touch_pages(from, more);
        }
        vm->populated = length;
        return 0;
}

_Static_assert(sizeof(struct abi_call) <= ABI_CALL_LIMIT - ABI_CALL_BASE &&
                   sizeof(struct abi_doorbell) <= ABI_DOORBELL_LIMIT - ABI_DOORBELL_BASE,
               "call and doorbell fit their pages");
