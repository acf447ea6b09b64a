/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine with one vCPU at CPL 3, over raw /dev/kvm.  As few ioctls as will do:
 * no irqchip, no PIT, no CPUID (a guest at CPL 3 has no use for it, and asking KVM what
 * it supports costs half a millisecond).
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KVM_API_VERSION_WANTED 12

int vm_ioctl(int fd, unsigned long request, void *argument)
{
        int result;

        do
                result = ioctl(fd, request, argument);
        while (result < 0 && errno == EINTR);
        return result < 0 ? -errno : result;
}

/* Is this KVM one that can be interrupted? */
static int check_kvm(int kvm_fd)
{
        int version = vm_ioctl(kvm_fd, KVM_GET_API_VERSION, NULL);

        if (version < 0)
                return version;
        if (version != KVM_API_VERSION_WANTED ||
            ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0)
                return -EOPNOTSUPP;
        return 0;
}

static int create_memslot(struct vm *vm, int vm_fd)
{
        struct kvm_userspace_memory_region region = {
            .slot = 0,
            .guest_phys_addr = 0,
            .memory_size = vm->memory_size,
            .userspace_addr = (uintptr_t)vm->memory,
        };

        return vm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int create_vcpu(struct vm *vm, int kvm_fd, int vm_fd)
{
        int size = vm_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

        if (size < 0)
                return size;
        vm->kvm.vcpu_fd = vm_ioctl(vm_fd, KVM_CREATE_VCPU, NULL);
        if (vm->kvm.vcpu_fd < 0)
                return vm->kvm.vcpu_fd;
        vm->kvm.run_size = (size_t)size;
        void *run = mmap(NULL, vm->kvm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                         vm->kvm.vcpu_fd, 0);
        if (run == MAP_FAILED)
                return -errno;
        vm->kvm.run = run;
        return 0;
}

/* Of the descriptors only the vCPU's stays: with the VM's own, guest memory could be
 * mapped anew. */
static int create_machine(struct vm *vm, int kvm_fd)
{
        int error = check_kvm(kvm_fd);

        if (error)
                return error;
        int vm_fd = vm_ioctl(kvm_fd, KVM_CREATE_VM, NULL);
        if (vm_fd < 0)
                return vm_fd;
        error = create_memslot(vm, vm_fd);
        if (!error)
                error = create_vcpu(vm, kvm_fd, vm_fd);
        close(vm_fd);
        return error;
}

static int kvm_create(struct vm *vm)
{
        vm->kvm.vcpu_fd = -1;
        vm->clock = CLOCK_THREAD_CPUTIME_ID; /* the guest runs in this thread */
        int error = vm_memory_reserve(vm, MAP_PRIVATE);
        if (error)
                return error;
        int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (kvm_fd < 0)
                return -errno;
        error = create_machine(vm, kvm_fd);
        close(kvm_fd);
        return error;
}

/* Closing takes system calls that the sandbox does not allow. */
static void kvm_end(struct vm *vm)
{
        (void)vm;
}

static void kvm_destroy(struct vm *vm)
{
        if (vm->kvm.run)
                munmap(vm->kvm.run, vm->kvm.run_size);
        if (vm->kvm.vcpu_fd >= 0)
                close(vm->kvm.vcpu_fd);
}

/* kvm_run is shared with the kernel, which reads immediate_exit inside KVM_RUN: a signal
 * alone would not do, for it may arrive just before KVM_RUN is entered. */
static void set_immediate_exit(struct vm *vm, uint8_t value)
{
        *(volatile uint8_t *)&vm->kvm.run->immediate_exit = value;
}

static void kvm_stop(struct vm *vm)
{
        set_immediate_exit(vm, 1);
}

static void kvm_stopped(struct vm *vm)
{
        set_immediate_exit(vm, 0);
}

/* KVM finishes a port access only when it is entered again, and would write to
 * registers that were set in between. */
static int kvm_rewind(struct vm *vm)
{
        if (!vm->kvm.stopped_in_io)
                return 0;
        set_immediate_exit(vm, 1);
        int result = ioctl(vm->kvm.vcpu_fd, KVM_RUN, NULL);
        set_immediate_exit(vm, 0);
        vm->kvm.stopped_in_io = false;
        return result < 0 && errno != EINTR ? -errno : 0;
}

static int kvm_start(struct vm *vm)
{
        vm_kvm_write_page_tables(vm);
        return vm_kvm_set_registers(vm);
}

/* For INSTAR_DEBUG only: a failure here is itself the diagnosis. */
static void diagnose(struct vm *vm, int error)
{
        struct kvm_regs regs;
        struct kvm_sregs sregs;

        vm->diagnosis = (struct vm_diagnosis){
            .exit_reason = vm->kvm.run->exit_reason,
            .error = error,
        };
        if (vm_ioctl(vm->kvm.vcpu_fd, KVM_GET_REGS, &regs) ||
            vm_ioctl(vm->kvm.vcpu_fd, KVM_GET_SREGS, &sregs))
                return;
        vm->diagnosis.rip = regs.rip;
        vm->diagnosis.cr2 = sregs.cr2;
        /* SVM puts the vCPU into its reset state at a shutdown. */
        vm->diagnosis.registers_valid = (sregs.cr0 & 0x80000000u) != 0;
}

static bool is_doorbell(const struct kvm_run *run)
{
        return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
               run->io.port == ABI_DOORBELL_PORT && run->io.size == 1 &&
               run->io.count == 1;
}

static int exit_of(struct vm *vm)
{
        const struct kvm_run *run = vm->kvm.run;

        vm->kvm.stopped_in_io =
            run->exit_reason == KVM_EXIT_IO || run->exit_reason == KVM_EXIT_MMIO;
        if (is_doorbell(run))
                return VM_EXIT_DOORBELL;
        diagnose(vm, 0);
        return run->exit_reason == KVM_EXIT_SHUTDOWN ? VM_EXIT_SHUTDOWN
                                                     : VM_EXIT_PROTOCOL;
}

static int kvm_enter(struct vm *vm)
{
        if (ioctl(vm->kvm.vcpu_fd, KVM_RUN, NULL) == 0)
                return exit_of(vm);
        bool stopped = errno == EINTR || errno == EAGAIN;
        diagnose(vm, stopped ? 0 : -errno);
        return stopped ? VM_ENTER_STOPPED : VM_EXIT_FAILED;
}

const struct vm_operations vm_kvm_operations = {
    .create = kvm_create,
    .end = kvm_end,
    .destroy = kvm_destroy,
    .rewind = kvm_rewind,
    .start = kvm_start,
    .enter = kvm_enter,
    .stop = kvm_stop,
    .stopped = kvm_stopped,
    .clear_advice = MADV_DONTNEED,
};
