/* SPDX-License-Identifier: MIT */
/*
 * Page tables and TSS.
 *
 * Accessed and dirty bits are set from the start.  KVM's shadow paging then maps
 * up to eight neighbours at one fault (it maps ahead only what is marked so), and
 * never has to write to the guest's tables.
 */
#include "host/vmm/vm_internal.h"

#include <string.h>

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITABLE (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_HUGE     (1ull << 7)
#define PTE_NX       (1ull << 63)

#define PTE_TABLE  (PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED)
#define PTE_TEXT   (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define PTE_RODATA (PTE_TEXT | PTE_NX)
#define PTE_DATA   (PTE_RODATA | PTE_WRITABLE | PTE_DIRTY)
/* The processor reads the TSS through the tables, the guest must not. */
#define PTE_TSS (PTE_PRESENT | PTE_ACCESSED | PTE_NX)

/* x86-64 is little-endian: guest and host agree about the tables' layout. */
static uint64_t *table_at(struct vm *vm, uint64_t address)
{
        return (uint64_t *)(void *)(vm->memory + address);
}

static void map_pages(struct vm *vm, uint64_t from, uint64_t to, uint64_t flags)
{
        uint64_t *table = table_at(vm, VM_PAGE_TABLE);

        for (uint64_t address = from; address < to; address += ABI_PAGE_SIZE)
                table[address / ABI_PAGE_SIZE] = address | flags;
}

static void map_arena(struct vm *vm)
{
        /* The page directories lie one behind the other: one array. */
        uint64_t *directory = table_at(vm, VM_PAGE_DIRECTORIES);

        for (uint64_t address = ABI_ARENA_BASE; address < vm->memory_size;
             address += VM_HUGE_PAGE)
                directory[address / VM_HUGE_PAGE] = address | PTE_DATA | PTE_HUGE;
}

static void write_upper_levels(struct vm *vm)
{
        uint64_t gib = (vm->memory_size + (1ull << 30) - 1) >> 30;

        table_at(vm, VM_PML4)[0] = VM_PDPT | PTE_TABLE;
        for (uint64_t i = 0; i < gib; i++)
                table_at(vm, VM_PDPT)[i] =
                    (VM_PAGE_DIRECTORIES + i * ABI_PAGE_SIZE) | PTE_TABLE;
        table_at(vm, VM_PAGE_DIRECTORIES)[0] = VM_PAGE_TABLE | PTE_TABLE;
}

/* All ports closed but the doorbell's (KVM without hardware virtualization looks
 * here; hardware goes by IOPL, and vm_run() then refuses other ports). */
static void write_tss(struct vm *vm)
{
        uint8_t *tss = vm->memory + VM_TSS;
        uint16_t bitmap = VM_TSS_IO_BITMAP;

        memcpy(tss + 0x66, &bitmap, sizeof bitmap);
        memset(tss + VM_TSS_IO_BITMAP, 0xff, VM_TSS_LIMIT + 1 - VM_TSS_IO_BITMAP);
        tss[VM_TSS_IO_BITMAP + ABI_DOORBELL_PORT / 8] =
            (uint8_t) ~(1u << ABI_DOORBELL_PORT % 8);
}

void vm_kvm_write_page_tables(struct vm *vm)
{
        const struct abi_program *program = &vm->program;

        write_upper_levels(vm);
        map_pages(vm, VM_TSS, VM_TSS + ABI_PAGE_SIZE, PTE_TSS);
        map_pages(vm, ABI_PROGRAM_BASE, program->text_end, PTE_TEXT);
        map_pages(vm, program->text_end, program->rodata_end, PTE_RODATA);
        map_pages(vm, program->rodata_end, program->bss_end, PTE_DATA);
        map_pages(vm, ABI_STACK_BASE, ABI_STACK_TOP, PTE_DATA);
        map_pages(vm, ABI_CALL_BASE, ABI_CALL_LIMIT, PTE_RODATA);
        map_pages(vm, ABI_DOORBELL_BASE, ABI_DOORBELL_LIMIT, PTE_DATA);
        map_arena(vm);
        write_tss(vm);
}

_Static_assert(VM_PAGE_DIRECTORIES + (VM_MEMORY_MAX >> 30) * ABI_PAGE_SIZE <=
                   ABI_ARENA_BASE,
               "the page directories end below the arena");
_Static_assert(ABI_ARENA_BASE == VM_HUGE_PAGE &&
                   ABI_DOORBELL_LIMIT <= VM_PAGE_DIRECTORIES &&
                   VM_TSS + ABI_PAGE_SIZE <= ABI_PROGRAM_BASE,
               "the host's pages and the guest's do not meet");
