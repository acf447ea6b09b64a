/* SPDX-License-Identifier: MIT */
#include "host/vmm/vm_internal.h"

#include "host/sandbox/sandbox.h"

void vm_allow(const struct vm *vm, struct sandbox_config *config)
{
        if (vm->operations == &vm_process_operations) {
                config->table = SANDBOX_PROCESS_HOST;
                config->machine = vm->process.pid;
        } else {
                config->table = SANDBOX_KVM_HOST;
                config->machine = vm->kvm.vcpu_fd;
        }
}
