/* SPDX-License-Identifier: MIT */
/*
 * The machine inside the sandbox, in a child (arming is for life): everything that an
 * edit asks of it after arming must pass the filter.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/sandbox.h"
#include "tests/unit/vmm/machine.h"

#define ENOUGH (8u << 20)

/* Load the probe without cmocka's assertions, which would print. */
static enum vm_exit attempt(struct vm *vm, enum probe probe, uint64_t address,
                            uint32_t limit_ms)
{
        if (vm_load(vm, &guest_probe_program))
                return VM_EXIT_FAILED;
        vm_call(vm)->memory_size = MACHINE_MEMORY;
        vm_call(vm)->granularity = probe;
        vm_call(vm)->header_fingerprint = address;
        return vm_run(vm, limit_ms);
}

/* The number of the first thing that went wrong, or 0. */
static int use_armed_machine(void)
{
        struct sandbox_config config = {.journal_directory_fd = -1};
        struct vm *vm;

        if (vm_create(MACHINE_MEMORY, &vm))
                return 1;
        vm_allow(vm, &config);
        if (sandbox_arm(&config))
                return 1;
        if (attempt(vm, PROBE_ECHO, 0, MACHINE_PATIENCE_MS) != VM_EXIT_DOORBELL)
                return 2;
        if (attempt(vm, PROBE_ECHO, 0, MACHINE_PATIENCE_MS) != VM_EXIT_DOORBELL ||
            machine_answer(vm) != PROBE_SURVIVED)
                return 3;
        if (vm_populate(vm, ENOUGH) || attempt(vm, PROBE_FILL_ARENA, ENOUGH,
                                               MACHINE_PATIENCE_MS) != VM_EXIT_DOORBELL)
                return 4;
        if (attempt(vm, PROBE_LOOP, 0, 50) != VM_EXIT_TIMEOUT)
                return 5;
        vm_interrupt();
        if (attempt(vm, PROBE_LOOP, 0, MACHINE_PATIENCE_MS) != VM_EXIT_SIGNAL)
                return 6;
        enum vm_exit died = attempt(vm, PROBE_READ, 0, MACHINE_PATIENCE_MS);
        if (died != VM_EXIT_SHUTDOWN && died != VM_EXIT_PROTOCOL)
                return 7;
        return attempt(vm, PROBE_SSE2, 0, MACHINE_PATIENCE_MS) == VM_EXIT_DOORBELL ? 0
                                                                                   : 8;
}

static void armed_process_can_run_reload_and_stop_a_guest(void **state)
{
        int status = 0;
        pid_t pid = fork();

        (void)state;
        if (pid == 0)
                _exit(use_armed_machine());
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status))
                fail_msg("killed by signal %d%s", WTERMSIG(status),
                         WTERMSIG(status) == SIGSYS ? ": the filter" : "");
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(armed_process_can_run_reload_and_stop_a_guest),
        };

        return machine_run_tests(tests, NULL, NULL);
}
