/* SPDX-License-Identifier: MIT */
/*
 * Seams that the linker makes (--wrap): the functions of the host are the real ones. What
 * would take hours begins shortly before its end, and who watches memory change has a
 * thread to change it.
 */
#include "host/vmm/doorbell.h"

#include "tests/hostile/driver/driver.h"

int __real_vm_create(uint64_t memory_size, struct vm **vm);
int __wrap_vm_create(uint64_t memory_size, struct vm **vm);
enum vm_exit __real_vm_run(struct vm *vm, uint32_t timeout_ms);
enum vm_exit __wrap_vm_run(struct vm *vm, uint32_t timeout_ms);
void __real_doorbell_restart(struct doorbell *doorbell);
void __wrap_doorbell_restart(struct doorbell *doorbell);

/* The last moment at which threads can be made is before the sandbox is armed. */
int __wrap_vm_create(uint64_t memory_size, struct vm **vm)
{
        int error = __real_vm_create(memory_size, vm);

        if (!error && circumstances.flip.address)
                flip_start(*vm);
        return error;
}

enum vm_exit __wrap_vm_run(struct vm *vm, uint32_t timeout_ms)
{
        flip_now();
        return __real_vm_run(vm, circumstances.limit_ms ? (uint32_t)circumstances.limit_ms
                                                        : timeout_ms);
}

void __wrap_doorbell_restart(struct doorbell *doorbell)
{
        __real_doorbell_restart(doorbell);
        doorbell->rings = circumstances.rings;
        doorbell->bytes_read = circumstances.bytes_read;
        doorbell->bytes_reported = circumstances.bytes_reported;
        doorbell->transaction->count = (uint32_t)circumstances.transactions;
}
