/* SPDX-License-Identifier: MIT */
/* Random damage to the metadata of an image that was made (random_edits.h has the
 * seed). */
#ifndef INSTAR_TESTS_UNIT_OPS_DAMAGE_H
#define INSTAR_TESTS_UNIT_OPS_DAMAGE_H

#include "tests/unit/ops/ops.h"

void damage_once(struct ops *ops);

#endif
