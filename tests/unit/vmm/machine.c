/* SPDX-License-Identifier: MIT */
#include "tests/unit/vmm/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

bool machine_absent(void)
{
        const char *foreseen = getenv("INSTAR_TEST_NO_KVM");

        if (!foreseen || strcmp(foreseen, "1") != 0)
                return false;
        print_message("skipped: INSTAR_TEST_NO_KVM=1, and these tests need /dev/kvm\n");
        return true;
}

bool machine_run_on(enum vm_kind kind)
{
        vm_choose_kind(kind);
        return kind != VM_KIND_KVM || !machine_absent();
}

int machine_setup(void **state)
{
        struct vm *vm = NULL;
        int error = vm_create(MACHINE_MEMORY, &vm);

        if (error)
                print_error("cannot make a machine: %s (INSTAR_TEST_NO_KVM=1 skips "
                            "these tests)\n",
                            strerror(-error));
        *state = vm;
        return error;
}

int machine_teardown(void **state)
{
        vm_destroy(*state);
        return 0;
}

void machine_replace_if_gone(void **state)
{
        if (vm_load(*state, &guest_probe_program) != -ESRCH)
                return;
        assert_int_equal(vm_kind(), VM_KIND_PROCESS);
        machine_teardown(state);
        assert_int_equal(machine_setup(state), 0);
}

void machine_load(struct vm *vm, enum probe probe, uint64_t address)
{
        assert_int_equal(vm_load(vm, &guest_probe_program), 0);
        vm_call(vm)->memory_size = MACHINE_MEMORY;
        vm_call(vm)->granularity = probe;
        vm_call(vm)->header_fingerprint = address;
}

enum vm_exit machine_try(struct vm *vm, enum probe probe, uint64_t address)
{
        machine_load(vm, probe, address);
        return vm_run(vm, MACHINE_PATIENCE_MS);
}

uint32_t machine_answer(struct vm *vm)
{
        return vm_doorbell(vm)->count;
}

void machine_assert_usable(struct vm *vm)
{
        machine_load(vm, PROBE_ECHO, 0);
        vm_doorbell(vm)->requests[0].value = 41;
        for (uint64_t i = 0; i < 2; i++) {
                assert_int_equal(vm_run(vm, MACHINE_PATIENCE_MS), VM_EXIT_DOORBELL);
                assert_int_equal(machine_answer(vm), PROBE_SURVIVED);
                assert_int_equal(vm_doorbell(vm)->requests[0].value, 42 + i);
        }
}
