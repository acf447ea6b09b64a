/* SPDX-License-Identifier: MIT */
/*
 * Random damage, repaired or refused: repairs_run() judges each run.  INSTAR_RANDOM_SEED
 * starts elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/ops/damage.h"
#include "tests/unit/ops/fixture.h"
#include "tests/unit/ops/random_edits.h"
#include "tests/unit/ops/repairs.h"

#define RUNS 600u

struct ends {
        uint32_t refused;
        uint32_t repaired;
        uint32_t untouched;
};

static void run(uint64_t seed, uint32_t flags, struct ends *ends)
{
        struct made_options options;
        random_start(seed);
        random_image(&options);
        ops_make(&ops, &options);
        for (uint64_t i = random_below(random_below(2) ? 2 : 8) + 1; i; i--)
                damage_once(&ops);
        if (random_below(2))
                flags |= ABI_CALL_RESET_DAMAGED;
        enum abi_code code = repairs_run(&ops, flags);
        ends->refused += code != ABI_OK;
        ends->repaired += !code && repairs_told.count;
        ends->untouched += !code && !repairs_told.count;
}

static uint64_t first_seed(void)
{
        const char *text = getenv("INSTAR_RANDOM_SEED");
        return text ? strtoull(text, NULL, 0) : 1;
}

static struct ends run_all(uint32_t flags)
{
        struct ends ends = {0};
        for (uint64_t seed = first_seed(); seed < first_seed() + RUNS; seed++) {
                print_message("\rseed %llu ", (unsigned long long)seed);
                run(seed, flags, &ends);
        }
        print_message("\r%u refused, %u repaired, %u untouched\n", ends.refused,
                      ends.repaired, ends.untouched);
        return ends;
}

static void damage_is_repaired_or_nothing_is_written(void **state)
{
        (void)state;
        struct ends ends = run_all(ABI_CALL_REPAIR_ALL);
        assert_true(ends.repaired > RUNS / 2);
        assert_true(ends.refused > 0);
}

static void leaks_are_given_back_or_nothing_is_written(void **state)
{
        (void)state;
        struct ends ends = run_all(0);
        assert_true(ends.repaired > RUNS / 8);
        assert_true(ends.refused > 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(damage_is_repaired_or_nothing_is_written,
                                            fixture_open, fixture_close),
            cmocka_unit_test_setup_teardown(leaks_are_given_back_or_nothing_is_written,
                                            fixture_open, fixture_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
