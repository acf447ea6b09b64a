/* SPDX-License-Identifier: MIT */
/* What the vmm's tests share: a real machine, and the probe guest inside it. */
#ifndef INSTAR_TESTS_UNIT_VMM_MACHINE_H
#define INSTAR_TESTS_UNIT_VMM_MACHINE_H

#include "host/vmm/vm.h"
#include "host/vmm/vm_kind.h"
#include "tests/unit/vmm/probe/probe.h"

#define MACHINE_MEMORY (16ull << 20)

/* Longer than any probe takes, also on a slow machine. */
#define MACHINE_PATIENCE_MS 20000u

extern const struct vm_program guest_probe_program;

/* Whether these tests cannot run here, and that was foreseen: INSTAR_TEST_NO_KVM=1.
 * Without it a machine that has no KVM fails them. */
bool machine_absent(void);

/*
 * Run a group of tests on each kind of machine: on KVM unless it is absent, and in a
 * process.  Returns the number of tests that failed.
 */
#define machine_run_tests(tests, setup, teardown)                                        \
        (machine_run_on(VM_KIND_KVM)                                                     \
             ? cmocka_run_group_tests_name("on KVM", tests, setup, teardown)             \
             : 0) +                                                                      \
            (machine_run_on(VM_KIND_PROCESS)                                             \
                 ? cmocka_run_group_tests_name("in a process", tests, setup, teardown)   \
                 : 0)

/* Choose it, and say whether tests can run on it here. */
bool machine_run_on(enum vm_kind kind);

/* cmocka setup and teardown: *state is a struct vm. */
int machine_setup(void **state);
int machine_teardown(void **state);

/* A process that has made a system call is dead: another one in its place. */
void machine_replace_if_gone(void **state);

/* Load the probe guest and tell it what to try. */
void machine_load(struct vm *vm, enum probe probe, uint64_t address);

/* Load, and run once with patience. */
enum vm_exit machine_try(struct vm *vm, enum probe probe, uint64_t address);

/* A fresh start of the machine finds clean memory and works. */
void machine_assert_usable(struct vm *vm);

/* The guest's `count` after a doorbell. */
uint32_t machine_answer(struct vm *vm);

#endif
