/* SPDX-License-Identifier: MIT */
/*
 * Invariants 2 and 4 for seeded random edits of random images: what nobody thought of
 * when test_crash_states.c was written.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/crash.h"
#include "tests/unit/ops/random_edits.h"

#define HISTORIES 800u
#define RUNS      8u

static uint64_t seed_now;

static void random_history(struct ops *ops, struct crash *crash)
{
        static struct model model;
        struct made_options options;
        struct abi_call call;
        random_start(seed_now + 100000);
        random_image(&options);
        ops_make(ops, &options);
        for (uint32_t i = 0; i < RUNS; i++) {
                model_take(&model, &ops->read);
                random_call(&model, &call);
                model_free(&model);
                enum abi_code code = ops_run_call(ops, &call);
                if (!code && native_trace_changes(native_host_trace(ops->host)))
                        crash_explore(crash);
        }
}

static void every_state_of_random_edits_is_valid(void **state)
{
        struct ops ops;
        struct crash crash;
        (void)state;
        ops_open(&ops);
        crash_open(&crash, &ops);
        crash.samples = 20;
        for (seed_now = 1; seed_now <= HISTORIES; seed_now++)
                random_history(&ops, &crash);
        printf("crash states tried: %llu\n", (unsigned long long)crash.states);
        assert_true(crash.states > 20 * HISTORIES);
        crash_close(&crash);
        ops_close(&ops);
}

static int tell_seed(void **state)
{
        (void)state;
        print_message("last seed: %llu\n", (unsigned long long)seed_now);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_teardown(every_state_of_random_edits_is_valid, tell_seed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
