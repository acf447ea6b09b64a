/* SPDX-License-Identifier: MIT */
/* The struct ops of a test program: every test begins with a new one. */
#ifndef INSTAR_TESTS_UNIT_OPS_FIXTURE_H
#define INSTAR_TESTS_UNIT_OPS_FIXTURE_H

#include "tests/unit/ops/ops.h"

extern struct ops ops;

/* cmocka's set-up and tear-down.  There is no image yet: ops_make(). */
int fixture_open(void **state);
int fixture_close(void **state);

#endif
