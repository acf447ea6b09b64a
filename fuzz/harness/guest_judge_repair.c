/* SPDX-License-Identifier: MIT */
/* A repair that succeeded: nothing is left to find, and nothing to do. */
#include "fuzz/harness/guest_run.h"
#include "guest/ops/repair.h"

static bool is_clean(const struct guest_told *check)
{
        const struct abi_report_check *sums = &check->sums;
        return check->has_sums && !check->damages && !sums->incomplete &&
               !sums->corruptions && !sums->leaks && !sums->check_errors;
}

static void judge_rest(struct guest_run *run)
{
        struct guest_told check;
        guest_run_check(run, run->image, &check);
        if (run->call.flags & ABI_CALL_REPAIR_ALL ? is_clean(&check) : !check.sums.leaks)
                return;
        guest_run_complain(
            run, "left: %llu corruptions, %llu leaks, %llu errors, %llu damages",
            (unsigned long long)check.sums.corruptions,
            (unsigned long long)check.sums.leaks,
            (unsigned long long)check.sums.check_errors,
            (unsigned long long)check.damages);
}

static void judge_second(struct guest_run *run)
{
        struct guest_told told;
        uint64_t sum = guest_run_sum(run->image);
        struct native_outcome outcome = guest_run_program(
            run->host, repair_main, &run->call, GUEST_TELLS_AND_WRITES, &told);
        if (outcome.status || outcome.result.code || told.repairs ||
            guest_run_sum(run->image) != sum)
                guest_run_complain(run,
                                   "a second repair ends with %u, and does %llu more",
                                   outcome.result.code, (unsigned long long)told.repairs);
}

void guest_judge_repair(struct guest_run *run)
{
        bool changed = native_trace_changes(native_host_trace(run->host));
        if (changed != (run->told.repairs != 0))
                guest_run_complain(run, "told of %llu repairs",
                                   (unsigned long long)run->told.repairs);
        if (!changed && guest_run_sum(run->image) != run->old_sum)
                guest_run_complain(run, "a change that is not in the trace");
        if (!changed)
                return;
        guest_judge_disk(run);
        judge_rest(run);
        judge_second(run);
}
