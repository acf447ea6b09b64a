/* SPDX-License-Identifier: MIT */
/*
 * The smallest virtual machine that runs a guest at CPL 3: 4 MiB, one vCPU, four tables,
 * a TSS that opens one port, a guest of two instructions.  Why the registers are
 * what they are is said in host/vmm/vm_kvm_registers.c.
 */
#define _GNU_SOURCE
#include "floor.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE (4u << 20)
#define POPULATE    (32u * 4096) /* as much as host/vmm/vm_memory.c has ready */
#define EXITS       8

#define PML4    0x1000u
#define PDPT    0x2000u
#define PD      0x3000u
#define PT      0x4000u
#define TSS     0x5000u
#define PROGRAM 0x6000u

#define PRESENT_WRITABLE          0x63u /* accessed and dirty, too */
#define USER                      0x04u
#define PORT                      0x10u
#define TSS_IO_BITMAP             0x68u
#define TSS_LIMIT                 (TSS_IO_BITMAP + PORT / 8 + 1)
#define EFER_LME_LMA_NXE          0xd00u
#define CR0_PE_MP_ET_NE_WP_AM_PG  0x80050033u
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620u
#define RFLAGS_IOPL3              0x3002u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

struct machine {
        uint8_t *memory;
        int kvm, vm, vcpu;
        struct kvm_run *run;
        size_t run_size;
};

static int checked(int result, const char *what)
{
        if (result < 0)
                fail(what);
        return result;
}

static void make_memory(struct machine *machine)
{
        machine->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (machine->memory == MAP_FAILED)
                fail("mmap");
        madvise(machine->memory, MEMORY_SIZE, MADV_NOHUGEPAGE);
}

static void make_machine(struct machine *machine)
{
        struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
        uint64_t begin = now_ns();

        machine->kvm = checked(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
        machine->vm = checked(ioctl(machine->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
        report("vm", begin);
        region.userspace_addr = (uintptr_t)machine->memory;
        begin = now_ns();
        checked(ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region), "memslot");
        report("memslot", begin);
        begin = now_ns();
        machine->run_size =
            (size_t)checked(ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "run size");
        machine->vcpu =
            checked(ioctl(machine->vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
        machine->run = mmap(NULL, machine->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            machine->vcpu, 0);
        if (machine->run == MAP_FAILED)
                fail("mmap of the vCPU");
        report("vcpu", begin);
}

static void put_entry(struct machine *machine, uint64_t table, uint64_t index,
                      uint64_t entry)
{
        memcpy(machine->memory + table + index * sizeof entry, &entry, sizeof entry);
}

static void write_guest(struct machine *machine)
{
        static const uint8_t program[] = {0xe6, PORT, 0xeb, 0xfc}; /* out; jump back */
        const uint16_t bitmap = TSS_IO_BITMAP;
        uint8_t *tss = machine->memory + TSS;

        put_entry(machine, PML4, 0, PDPT | PRESENT_WRITABLE | USER);
        put_entry(machine, PDPT, 0, PD | PRESENT_WRITABLE | USER);
        put_entry(machine, PD, 0, PT | PRESENT_WRITABLE | USER);
        put_entry(machine, PT, TSS / 4096, TSS | PRESENT_WRITABLE);
        put_entry(machine, PT, PROGRAM / 4096, PROGRAM | PRESENT_WRITABLE | USER);
        memcpy(tss + 0x66, &bitmap, sizeof bitmap);
        memset(tss + TSS_IO_BITMAP, 0xff, TSS_LIMIT + 1 - TSS_IO_BITMAP);
        tss[TSS_IO_BITMAP + PORT / 8] = (uint8_t) ~(1u << PORT % 8);
        memcpy(machine->memory + PROGRAM, program, sizeof program);
}

static void set_registers(struct machine *machine)
{
        const struct kvm_segment code = {.limit = 0xffffffff,
                                         .selector = 0x33,
                                         .type = 11,
                                         .present = 1,
                                         .dpl = 3,
                                         .s = 1,
                                         .l = 1,
                                         .g = 1};
        const struct kvm_segment data = {.limit = 0xffffffff,
                                         .selector = 0x2b,
                                         .type = 3,
                                         .present = 1,
                                         .dpl = 3,
                                         .db = 1,
                                         .s = 1,
                                         .g = 1};
        const struct kvm_segment tss = {
            .base = TSS, .limit = TSS_LIMIT, .selector = 0x40, .type = 11, .present = 1};
        const struct kvm_regs regs = {.rip = PROGRAM, .rflags = RFLAGS_IOPL3};
        struct kvm_sregs sregs;

        checked(ioctl(machine->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
        sregs.cs = code;
        sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
        sregs.tr = tss;
        memset(&sregs.gdt, 0, sizeof sregs.gdt);
        memset(&sregs.idt, 0, sizeof sregs.idt);
        sregs.cr0 = CR0_PE_MP_ET_NE_WP_AM_PG;
        sregs.cr3 = PML4;
        sregs.cr4 = CR4_PAE_OSFXSR_OSXMMEXCPT;
        sregs.efer = EFER_LME_LMA_NXE;
        checked(ioctl(machine->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
        checked(ioctl(machine->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Populated memory and registers: what there is to loading a program but the copying. */
static void load(struct machine *machine)
{
        uint64_t begin = now_ns();

        /* A kernel without it populates page by page, which costs more. */
        madvise(machine->memory + MEMORY_SIZE / 2, POPULATE, MADV_POPULATE_WRITE);
        write_guest(machine);
        set_registers(machine);
        report("load", begin);
}

static void run(struct machine *machine, const char *name)
{
        uint64_t begin = now_ns();

        checked(ioctl(machine->vcpu, KVM_RUN, NULL), "KVM_RUN");
        report(name, begin);
        if (machine->run->exit_reason != KVM_EXIT_IO || machine->run->io.port != PORT)
                fail("the guest did not ring");
}

static void tear_down(struct machine *machine)
{
        uint64_t begin = now_ns();

        munmap(machine->run, machine->run_size);
        close(machine->vcpu);
        close(machine->vm);
        close(machine->kvm);
        munmap(machine->memory, MEMORY_SIZE);
        report("tear_down", begin);
}

void floor_kvm(void)
{
        struct machine machine;

        make_memory(&machine);
        make_machine(&machine);
        load(&machine);
        run(&machine, "first");
        for (int i = 0; i < EXITS; i++)
                run(&machine, "exit");
        tear_down(&machine);
}
