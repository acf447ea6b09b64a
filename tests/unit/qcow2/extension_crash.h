/* SPDX-License-Identifier: MIT */
/*
 * All states that a crash can leave behind while the writes of a header_edit are
 * made: every subset of the sectors of one phase, on top of all earlier phases.
 */
#ifndef INSTAR_TESTS_UNIT_QCOW2_EXTENSION_CRASH_H
#define INSTAR_TESTS_UNIT_QCOW2_EXTENSION_CRASH_H

#include "tests/unit/qcow2/extension_cluster.h"

/* Plan a change of `cluster`, with no byte more than extension_edit_reach() in
 * reach.  The whole arena is released first. */
enum abi_code test_plan(const struct test_cluster *cluster,
                        const struct bitmaps_body *wanted, bool publish,
                        struct header_edit *edit);

/*
 * Go through all states and check each against the old and the new list (NULL:
 * none, and `new_valid` says whether the new one is published); fails the running
 * test at the first wrong one.  cluster->bytes end as the last state; *last is
 * what a reader sees there.  Returns the number of states.
 */
uint64_t test_crash_states(struct test_cluster *cluster, const struct header_edit *edit,
                           const struct bitmaps_body *wanted, bool new_valid,
                           struct test_view *last);

#endif
