/* SPDX-License-Identifier: MIT */
/* A guest that behaves: doorbells, memory, time limit, interruption. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
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

static int64_t ms_of(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void endless_loop_ends_as_timeout(void **state)
{
        int64_t start = ms_of(CLOCK_MONOTONIC);

        machine_load(*state, PROBE_LOOP, 0);
        assert_int_equal(vm_run(*state, 200), VM_EXIT_TIMEOUT);
        assert_in_range(ms_of(CLOCK_MONOTONIC) - start, 200, MACHINE_PATIENCE_MS);
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
        int64_t start = ms_of(CLOCK_THREAD_CPUTIME_ID);

        machine_load(*state, PROBE_ECHO, 0);
        assert_int_equal(vm_run(*state, 100), VM_EXIT_DOORBELL);
        while (ms_of(CLOCK_THREAD_CPUTIME_ID) < start + 300)
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

/* A signal to this process, soon; not the one that the machine's own timer uses. */
static timer_t signal_in(int ms, void (*handler)(int))
{
        struct sigaction action = {.sa_handler = handler};
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
        const struct itimerspec when = {.it_value.tv_nsec = ms * 1000000L};
        timer_t timer;

        sigaction(SIGPROF, &action, NULL);
        assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
        assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
        return timer;
}

static void interrupt_from_a_signal_handler_stops_the_guest(void **state)
{
        machine_load(*state, PROBE_LOOP, 0);
        timer_t timer = signal_in(50, on_signal);
        assert_int_equal(vm_run(*state, MACHINE_PATIENCE_MS), VM_EXIT_SIGNAL);
        timer_delete(timer);
        machine_assert_usable(*state);
}

static void do_nothing(int number)
{
        (void)number;
}

static void signals_of_others_do_not_end_the_run(void **state)
{
        machine_load(*state, PROBE_LOOP, 0);
        timer_t timer = signal_in(20, do_nothing);
        assert_int_equal(vm_run(*state, 200), VM_EXIT_TIMEOUT);
        timer_delete(timer);
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

        return machine_run_tests(tests, machine_setup, machine_teardown);
}
