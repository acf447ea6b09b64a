/* SPDX-License-Identifier: MIT */
/* A guest that behaves: doorbells, memory, time limit, interruption. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/vmm/machine.h"

static void doorbell_carries_values_both_ways(void **state)
{
        machine_assert_usable(*state);
}

static void sse2_works_in_the_guest(void **state)
{
        assert_int_equal(machine_try(*state, PROBE_SSE2, 0), VM_EXIT_DOORBELL);
        assert_int_equal(machine_answer(*state), PROBE_SURVIVED);
}

static void load_between_two_doorbells_starts_clean(void **state)
{
        for (int i = 0; i < 3; i++) {
                assert_int_equal(machine_try(*state, PROBE_ECHO, 0), VM_EXIT_DOORBELL);
                assert_int_equal(machine_answer(*state), PROBE_SURVIVED);
        }
}

static int64_t processor_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void endless_loop_ends_as_timeout(void **state)
{
        int64_t start = processor_ms();

        machine_load(*state, PROBE_LOOP, 0);
        assert_int_equal(vm_run(*state, 200), VM_EXIT_TIMEOUT);
        assert_in_range(processor_ms() - start, 200, 2000);
        machine_assert_usable(*state);
}

static void shortest_time_limit_is_not_lost(void **state)
{
        for (int i = 0; i < 5; i++) {
                machine_load(*state, PROBE_LOOP, 0);
                assert_int_equal(vm_run(*state, 0), VM_EXIT_TIMEOUT);
        }
        machine_assert_usable(*state);
}

/* The host's own work between two doorbells does not count. */
static void time_limit_counts_from_the_last_doorbell(void **state)
{
        int64_t start = processor_ms();

        machine_load(*state, PROBE_ECHO, 0);
        assert_int_equal(vm_run(*state, 100), VM_EXIT_DOORBELL);
        while (processor_ms() < start + 300)
                continue;
        assert_int_equal(vm_run(*state, 100), VM_EXIT_DOORBELL);
}

static void interrupt_before_run_stops_it(void **state)
{
        machine_load(*state, PROBE_LOOP, 0);
        vm_interrupt();
        assert_int_equal(vm_run(*state, MACHINE_PATIENCE_MS), VM_EXIT_SIGNAL);
        machine_assert_usable(*state);
}

static void on_signal(int number)
{
        (void)number;
        vm_interrupt();
}

static void interrupt_from_a_signal_handler_stops_the_guest(void **state)
{
        struct sigaction action = {.sa_handler = on_signal};
        struct itimerval when = {.it_value.tv_usec = 50 * 1000};

        /* Processor time passes only once the guest runs. */
        sigaction(SIGPROF, &action, NULL);
        machine_load(*state, PROBE_LOOP, 0);
        setitimer(ITIMER_PROF, &when, NULL);
        assert_int_equal(vm_run(*state, MACHINE_PATIENCE_MS), VM_EXIT_SIGNAL);
        machine_assert_usable(*state);
}

static void signals_of_others_do_not_end_the_run(void **state)
{
        struct sigaction action = {.sa_handler = SIG_DFL};
        struct itimerval when = {.it_value.tv_usec = 20 * 1000};

        action.sa_handler = SIG_IGN;
        sigaction(SIGPROF, &action, NULL);
        machine_load(*state, PROBE_LOOP, 0);
        setitimer(ITIMER_PROF, &when, NULL);
        assert_int_equal(vm_run(*state, 200), VM_EXIT_TIMEOUT);
}

static void populated_arena_keeps_what_is_in_it(void **state)
{
        struct vm *vm = *state;
        const uint64_t arena = MACHINE_MEMORY - ABI_ARENA_BASE;

        machine_load(vm, PROBE_FILL_ARENA, arena);
        uint8_t *first = vm_range(vm, ABI_ARENA_BASE, arena);
        first[1] = 9;
        assert_int_equal(vm_populate(vm, 3 << 20), 0);
        assert_int_equal(vm_populate(vm, 1), 0);
        assert_int_equal(vm_populate(vm, arena), 0);
        assert_int_equal(vm_run(vm, MACHINE_PATIENCE_MS), VM_EXIT_DOORBELL);
        assert_int_equal(first[0], 1);
        assert_int_equal(first[1], 9);
        assert_int_equal(first[arena - ABI_PAGE_SIZE], 1);
        machine_assert_usable(vm);
}

static void populate_refuses_more_than_the_arena(void **state)
{
        machine_load(*state, PROBE_ECHO, 0);
        assert_int_equal(vm_populate(*state, MACHINE_MEMORY - ABI_ARENA_BASE + 1),
                         -EINVAL);
        assert_int_equal(vm_populate(*state, UINT64_MAX), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(doorbell_carries_values_both_ways),
            cmocka_unit_test(sse2_works_in_the_guest),
            cmocka_unit_test(load_between_two_doorbells_starts_clean),
            cmocka_unit_test(endless_loop_ends_as_timeout),
            cmocka_unit_test(shortest_time_limit_is_not_lost),
            cmocka_unit_test(time_limit_counts_from_the_last_doorbell),
            cmocka_unit_test(interrupt_before_run_stops_it),
            cmocka_unit_test(interrupt_from_a_signal_handler_stops_the_guest),
            cmocka_unit_test(signals_of_others_do_not_end_the_run),
            cmocka_unit_test(populated_arena_keeps_what_is_in_it),
            cmocka_unit_test(populate_refuses_more_than_the_arena),
        };

        if (machine_absent())
                return 0;
        return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
