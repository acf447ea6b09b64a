/* SPDX-License-Identifier: MIT */
/*
 * The vCPU's state at a program's first instruction: CPL 3 in long mode, no GDT
 * and no IDT, so that every exception ends as a shutdown.
 */
#include "host/vmm/vm_internal.h"

#include <string.h>

#define EFER_LME_LMA_NXE          0xd00u
#define CR0_PE_MP_ET_NE_WP_AM_PG  0x80050033u
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620u
/* IOPL 3, because some KVMs let `out` at CPL 3 pass by this, others by the TSS. */
#define RFLAGS_IOPL3 0x3002u

static const struct kvm_segment user_code = {
    .limit = 0xffffffff,
    .selector = 0x33,
    .type = 11,
    .present = 1,
    .dpl = 3,
    .s = 1,
    .l = 1,
    .g = 1,
};
static const struct kvm_segment user_data = {
    .limit = 0xffffffff,
    .selector = 0x2b,
    .type = 3,
    .present = 1,
    .dpl = 3,
    .db = 1,
    .s = 1,
    .g = 1,
};
static const struct kvm_segment task_state = {
    .base = VM_TSS,
    .limit = VM_TSS_LIMIT,
    .selector = 0x40,
    .type = 11,
    .present = 1,
};
static const struct kvm_segment no_segment = {.unusable = 1};

static int set_special_registers(struct vm *vm)
{
        struct kvm_sregs sregs;
        int error = vm_ioctl(vm->kvm.vcpu_fd, KVM_GET_SREGS, &sregs);

        if (error)
                return error;
        sregs.cs = user_code;
        sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = user_data;
        sregs.tr = task_state;
        sregs.ldt = no_segment;
        memset(&sregs.gdt, 0, sizeof sregs.gdt);
        memset(&sregs.idt, 0, sizeof sregs.idt);
        sregs.cr0 = CR0_PE_MP_ET_NE_WP_AM_PG;
        sregs.cr2 = 0;
        sregs.cr3 = VM_PML4;
        sregs.cr4 = CR4_PAE_OSFXSR_OSXMMEXCPT;
        sregs.efer = EFER_LME_LMA_NXE;
        memset(sregs.interrupt_bitmap, 0, sizeof sregs.interrupt_bitmap);
        return vm_ioctl(vm->kvm.vcpu_fd, KVM_SET_SREGS, &sregs);
}

static int set_general_registers(struct vm *vm)
{
        struct kvm_regs regs = {
            .rip = vm->program.entry,
            .rsp = ABI_STACK_TOP,
            .rflags = RFLAGS_IOPL3,
        };

        return vm_ioctl(vm->kvm.vcpu_fd, KVM_SET_REGS, &regs);
}

/* Numbers that a fresh vCPU has anyway; an exception may be pending in a used one. */
static int clear_left_overs(struct vm *vm)
{
        struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
        struct kvm_vcpu_events events = {0};
        int error = vm_ioctl(vm->kvm.vcpu_fd, KVM_SET_FPU, &fpu);

        if (error)
                return error;
        return vm_ioctl(vm->kvm.vcpu_fd, KVM_SET_VCPU_EVENTS, &events);
}

int vm_kvm_set_registers(struct vm *vm)
{
        int error = vm->used ? clear_left_overs(vm) : 0;

        if (!error)
                error = set_special_registers(vm);
        if (!error)
                error = set_general_registers(vm);
        return error;
}
