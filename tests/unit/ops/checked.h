/* SPDX-License-Identifier: MIT */
/* What the checker tells the host of an image in memory. */
#ifndef INSTAR_TESTS_UNIT_OPS_CHECKED_H
#define INSTAR_TESTS_UNIT_OPS_CHECKED_H

#include "guest/abi_check.h"
#include "tests/unit/ops/ops.h"

#define MAX_FINDINGS 1000u
#define MAX_DAMAGE   16u

/* What the host is told. */
struct found {
        struct abi_finding findings[MAX_FINDINGS];
        uint32_t finding_count;
        struct abi_report_damage damage[MAX_DAMAGE];
        char names[MAX_DAMAGE][1100];
        uint32_t damage_count;
        struct abi_report_check sums;
        uint64_t reports;
        bool ended; /* the sums have come */
};

extern struct found found;
extern struct ops checked_ops;

/* An image with everything that is checked. */
extern const struct made_options checked_rich;

/* Of cmocka. */
int checked_set_up(void **state);
int checked_tear_down(void **state);

/* Check the image; nothing is written (invariant 10). */
enum native_status checked_run(void);

/* The same, to its end: the sums are those of what was told. */
void check(void);

#endif
