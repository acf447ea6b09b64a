/* SPDX-License-Identifier: MIT */
/* Making and closing a machine of either kind. */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "host/vmm/vm_kind.h"

static const struct vm_operations *operations_of(enum vm_kind kind)
{
        return kind == VM_KIND_PROCESS ? &vm_process_operations : &vm_kvm_operations;
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
        vm->operations = operations_of(vm_kind());
        vm->memory_size = memory_size;
        error = vm->operations->create(vm);
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

void vm_end(struct vm *vm)
{
        if (vm)
                vm->operations->end(vm);
}

void vm_destroy(struct vm *vm)
{
        if (!vm)
                return;
        vm_unguard(vm);
        vm->operations->destroy(vm);
        vm_memory_release(vm);
        free(vm);
}
