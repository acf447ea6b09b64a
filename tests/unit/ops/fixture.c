/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/fixture.h"

struct ops ops;

int fixture_open(void **state)
{
        (void)state;
        ops_open(&ops);
        return 0;
}

int fixture_close(void **state)
{
        (void)state;
        ops_close(&ops);
        return 0;
}
