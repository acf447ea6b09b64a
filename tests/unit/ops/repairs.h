/* SPDX-License-Identifier: MIT */
/*
 * One image, repaired.  Every run is judged at once: a refusal, a mere plan, and a repair
 * of what is sound have written nothing; after any other the checker finds nothing, the
 * next repair has nothing to do, and the disk reads as before where it could be read.
 */
#ifndef INSTAR_TESTS_UNIT_OPS_REPAIRS_H
#define INSTAR_TESTS_UNIT_OPS_REPAIRS_H

#include "guest/abi_check.h"
#include "guest/abi_repair.h"
#include "tests/unit/ops/ops.h"

#define REPAIRS_MAX_TOLD 200u

/* What the last run has told; where that is more, not all of it is kept. */
struct repairs_told {
        struct abi_report_repair reports[REPAIRS_MAX_TOLD];
        char names[REPAIRS_MAX_TOLD][1025];
        uint32_t count;
};

/* What the checker says of an image. */
struct repairs_check {
        enum abi_code code;
        struct abi_report_check sums;
        uint64_t damage; /* but for bitmaps in use, which nothing is wrong with */
        uint64_t findings[ABI_FINDING_COUNT];
};

extern struct repairs_told repairs_told;

/* `flags`: ABI_CALL_REPAIR_ALL, _RESET_DAMAGED, _DRY_RUN.  The result's code. */
enum abi_code repairs_run(struct ops *ops, uint32_t flags);

/* The same; the repair succeeds, and a reader that shares no code with it finds no fault
 * (ops->read), either. */
void repairs_all(struct ops *ops, uint32_t flags);

/* Neither run nor judge more than this: the outcome is in ops->outcome. */
void repairs_run_only(struct ops *ops, uint32_t flags);

/* How many reports of this kind there were. */
uint32_t repairs_count(enum abi_repair_kind kind);

/* The only one of its kind, or the test fails. */
const struct abi_report_repair *repairs_only(enum abi_repair_kind kind);

/* Nothing was told but one of this kind, with this first number. */
void repairs_expect(enum abi_repair_kind kind, uint64_t first);

/* The name that came with the only report of this kind. */
const char *repairs_name(enum abi_repair_kind kind);

void repairs_check(struct ops *ops, struct repairs_check *check);

/* True if nothing is wrong with the image. */
bool repairs_is_clean(const struct repairs_check *check);

#endif
