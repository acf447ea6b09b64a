/* SPDX-License-Identifier: MIT */
/* What else is allowed in a build for the sanitizers, so that tests of what kills can run
 * there as well. */
#ifndef INSTAR_TESTS_UNIT_SANDBOX_SANITIZERS_H
#define INSTAR_TESTS_UNIT_SANDBOX_SANITIZERS_H

#include <stdbool.h>

#include "host/sandbox/sandbox.h"

/* Has one of their rules this call?  Never, in other builds. */
bool sanitizers_allow(enum sandbox_table table, long number, const long arguments[6]);

#endif
