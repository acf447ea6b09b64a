/* SPDX-License-Identifier: MIT */
/*
 * Making and closing a machine.  As few ioctls as will do: no irqchip, no PIT,
 * no CPUID (a guest at CPL 3 has no use for it, and asking KVM what it supports
 * costs half a millisecond).
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

/* Is this KVM one that vm_run() can interrupt? */
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

static int create_memslot(struct vm *vm)
{
        struct kvm_userspace_memory_region region = {
            .slot = 0,
            .guest_phys_addr = 0,
            .memory_size = vm->memory_size,
            .userspace_addr = (uintptr_t)vm->memory,
        };

        return vm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int create_vcpu(struct vm *vm, int kvm_fd)
{
        int size = vm_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

        if (size < 0)
                return size;
        vm->vcpu_fd = vm_ioctl(vm->vm_fd, KVM_CREATE_VCPU, NULL);
        if (vm->vcpu_fd < 0)
                return vm->vcpu_fd;
        vm->run_size = (size_t)size;
        void *run =
            mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
        if (run == MAP_FAILED)
                return -errno;
        vm->run = run;
        return 0;
}

/* Of the descriptors only the vCPU's stays: with the VM's own, guest memory could be
 * mapped anew. */
static int create_machine(struct vm *vm)
{
        int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        int error;

        if (kvm_fd < 0)
                return -errno;
        error = check_kvm(kvm_fd);
        if (error)
                goto out;
        vm->vm_fd = vm_ioctl(kvm_fd, KVM_CREATE_VM, NULL);
        if (vm->vm_fd < 0) {
                error = vm->vm_fd;
                goto out;
        }
        error = create_memslot(vm);
        if (!error)
                error = create_vcpu(vm, kvm_fd);
        close(vm->vm_fd);
out:
        close(kvm_fd);
        return error;
}

int vm_create(uint64_t memory_size, struct vm **created)
{
        struct vm *vm;
        int error;

        if (memory_size % VM_HUGE_PAGE || memory_size < VM_MEMORY_MIN ||
            memory_size > VM_MEMORY_MAX)
                return -EINVAL;
        vm = calloc(1, sizeof *vm);
        if (!vm)
                return -ENOMEM;
        vm->vcpu_fd = -1;
        vm->memory_size = memory_size;
        error = vm_memory_reserve(vm);
        if (!error)
                error = create_machine(vm);
        if (!error)
                error = vm_guard(vm);
        if (error) {
                vm_destroy(vm);
                return error;
        }
        *created = vm;
        return 0;
}

const struct vm_diagnosis *vm_diagnose(const struct vm *vm)
{
        return &vm->diagnosis;
}

void vm_destroy(struct vm *vm)
{
        if (!vm)
                return;
        if (vm->run) {
                vm_unguard(vm);
                munmap(vm->run, vm->run_size);
        }
        if (vm->vcpu_fd >= 0)
                close(vm->vcpu_fd);
        vm_memory_release(vm);
        free(vm);
}
