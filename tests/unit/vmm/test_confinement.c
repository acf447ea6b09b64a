/* SPDX-License-Identifier: MIT */
/*
 * A guest that misbehaves, on the real KVM and in a real process: everything that
 * invariant 10 forbids ends it, and the same machine then starts afresh with clean memory
 * (or, where a system call has killed the process, the next one).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/machine.h"

struct attempt {
        const char *what;
        enum probe probe;
        uint64_t address;
};

#define INSTRUCTION(name, assembly) {#name, PROBE_##name, 0},

static const struct attempt forbidden_instructions[] = {
    FORBIDDEN_INSTRUCTIONS(INSTRUCTION)};

static const struct attempt harmless_instructions[] = {
    HARMLESS_INSTRUCTIONS(INSTRUCTION)};

#define EVERY_WAY(what, address)                                                         \
        {"read " what, PROBE_READ, address}, {"write " what, PROBE_WRITE, address},      \
        {                                                                                \
                "execute " what, PROBE_EXECUTE, address                                  \
        }

static const struct attempt forbidden_memory[] = {
    {"write text", PROBE_WRITE, ABI_PROGRAM_BASE},
    {"write rodata", PROBE_WRITE_RODATA, 0},
    {"execute data", PROBE_EXECUTE_DATA, 0},
    {"execute stack", PROBE_EXECUTE_STACK, 0},
    {"execute arena", PROBE_EXECUTE, ABI_ARENA_BASE},
    {"write call", PROBE_WRITE, ABI_CALL_BASE},
    {"execute call", PROBE_EXECUTE, ABI_CALL_BASE},
    {"execute doorbell", PROBE_EXECUTE, ABI_DOORBELL_BASE},
    {"overflow the stack", PROBE_STACK_OVERFLOW, 0},
    {"return from guest_main", PROBE_RETURN, 0},
    EVERY_WAY("page 0", 0),
    EVERY_WAY("the PML4", 0x1000),
    EVERY_WAY("the PDPT", 0x2000),
    EVERY_WAY("the page table", 0x3000),
    EVERY_WAY("the TSS", 0x4000),
    EVERY_WAY("below the program", ABI_PROGRAM_BASE - 1),
    EVERY_WAY("behind the program", ABI_PROGRAM_LIMIT - 1),
    EVERY_WAY("below the stack", ABI_STACK_BASE - 1),
    EVERY_WAY("behind the stack", ABI_STACK_TOP),
    EVERY_WAY("behind the call", ABI_CALL_LIMIT),
    EVERY_WAY("behind the doorbell", ABI_DOORBELL_LIMIT),
    EVERY_WAY("the page directories", 0xe0000),
    EVERY_WAY("below the arena", ABI_ARENA_BASE - 1),
    EVERY_WAY("behind the arena", MACHINE_MEMORY),
    EVERY_WAY("the next GiB", 1ull << 30),
    EVERY_WAY("the APIC", 0xfee00000),
    EVERY_WAY("the next 512 GiB", 1ull << 39),
    EVERY_WAY("a non-canonical address", 1ull << 47),
    EVERY_WAY("the upper half", 0xffffffff80000000),
    EVERY_WAY("the vsyscall page", 0xffffffffff600000),
    EVERY_WAY("the last byte", UINT64_MAX),
};

static bool ended(enum vm_exit how)
{
        return how == VM_EXIT_SHUTDOWN || how == VM_EXIT_PROTOCOL;
}

static void assert_each_ends(void **state, const struct attempt *attempts, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                enum vm_exit how =
                    machine_try(*state, attempts[i].probe, attempts[i].address);
                if (!ended(how))
                        fail_msg("%s: vm_run returned %d, rip %#jx", attempts[i].what,
                                 how, (uintmax_t)vm_diagnose(*state)->rip);
                machine_replace_if_gone(state);
                machine_assert_usable(*state);
        }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void forbidden_instructions_end_the_guest(void **state)
{
        assert_each_ends(state, forbidden_instructions, COUNT(forbidden_instructions));
}

static void forbidden_memory_ends_the_guest(void **state)
{
        assert_each_ends(state, forbidden_memory, COUNT(forbidden_memory));
}

static void harmless_instructions_pass_or_end_the_guest(void **state)
{
        for (size_t i = 0; i < COUNT(harmless_instructions); i++) {
                const struct attempt *attempt = &harmless_instructions[i];
                enum vm_exit how = machine_try(*state, attempt->probe, 0);
                if (!ended(how) && how != VM_EXIT_DOORBELL)
                        fail_msg("%s: vm_run returned %d", attempt->what, how);
                machine_replace_if_gone(state);
                machine_assert_usable(*state);
        }
}

/* Without this the tests above could pass because the probe does nothing. */
static void allowed_memory_is_allowed(void **state)
{
        static const struct attempt allowed[] = {
            {"read text", PROBE_READ, ABI_PROGRAM_BASE},
            {"read call", PROBE_READ, ABI_CALL_LIMIT - 1},
            {"write stack", PROBE_WRITE, ABI_STACK_BASE},
            {"write doorbell", PROBE_WRITE, ABI_DOORBELL_LIMIT - 1},
            {"write the arena's first byte", PROBE_WRITE, ABI_ARENA_BASE},
            {"write the arena's last byte", PROBE_WRITE, MACHINE_MEMORY - 1},
        };

        for (size_t i = 0; i < COUNT(allowed); i++) {
                enum vm_exit how =
                    machine_try(*state, allowed[i].probe, allowed[i].address);
                if (how != VM_EXIT_DOORBELL || machine_answer(*state) != PROBE_SURVIVED)
                        fail_msg("%s: vm_run returned %d", allowed[i].what, how);
        }
}

static void diagnosis_names_the_fault(void **state)
{
        assert_true(ended(machine_try(*state, PROBE_READ, 0x123)));
        const struct vm_diagnosis *diagnosis = vm_diagnose(*state);
        if (!diagnosis->registers_valid)
                return; /* SVM resets the registers: nothing to compare */
        assert_int_equal(diagnosis->cr2, 0x123);
        assert_in_range(diagnosis->rip, ABI_PROGRAM_BASE, ABI_PROGRAM_LIMIT);
}

/* A test may have to replace it. */
#define on_its_own_machine(test)                                                         \
        cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            on_its_own_machine(allowed_memory_is_allowed),
            on_its_own_machine(forbidden_memory_ends_the_guest),
            on_its_own_machine(forbidden_instructions_end_the_guest),
            on_its_own_machine(harmless_instructions_pass_or_end_the_guest),
            on_its_own_machine(diagnosis_names_the_fault),
        };

        return machine_run_tests(tests, NULL, NULL);
}
