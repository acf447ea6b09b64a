/* SPDX-License-Identifier: MIT */
#include "host/vmm/vm_kind.h"

static enum vm_kind chosen = VM_KIND_KVM;

void vm_choose_kind(enum vm_kind kind)
{
        chosen = kind;
}

enum vm_kind vm_kind(void)
{
        return chosen;
}
