/* SPDX-License-Identifier: MIT */
#include "host/vmm/first_filter.h"

#include "host/sandbox/sandbox.h"
#include "host/vmm/vm_kind.h"

int first_filter_arm(void)
{
        return sandbox_arm_first(vm_kind() == VM_KIND_PROCESS ? SANDBOX_FIRST_PROCESS
                                                              : SANDBOX_FIRST_KVM);
}
