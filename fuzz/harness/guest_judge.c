/* SPDX-License-Identifier: MIT */
/* What holds for every run, and who judges the rest. */
#include <string.h>

#include "fuzz/harness/guest_run.h"
#include "guest/ops/bitmap.h"
#include "guest/ops/check.h"
#include "guest/ops/info.h"
#include "guest/ops/map.h"
#include "guest/ops/repair.h"
#include "guest/ops/unreferenced.h"

static void judge_unchanged(const struct guest_run *run, const char *what)
{
        if (native_trace_changes(native_host_trace(run->host)) ||
            guest_run_sum(run->image) != run->old_sum)
                guest_run_complain(run, "%s has changed the image", what);
}

static void judge_look_again(struct guest_run *run, void (*program)(void))
{
        struct guest_told again;
        struct native_outcome outcome =
            guest_run_program(run->host, program, &run->call, GUEST_LOOKS, &again);
        if (outcome.result.code != run->outcome.result.code ||
            again.hash != run->told.hash || again.reports != run->told.reports ||
            memcmp(outcome.result.detail, run->outcome.result.detail,
                   sizeof outcome.result.detail) != 0)
                guest_run_complain(run, "another look shows something else");
}

/* What a dry run says is what a real one does. */
static void judge_dry_run(struct guest_run *run, void (*program)(void),
                          enum guest_rights rights)
{
        struct guest_told told;
        struct abi_call call = run->call;
        call.flags &= ~ABI_CALL_DRY_RUN;
        struct native_outcome outcome =
            guest_run_program(run->host, program, &call, rights, &told);
        if (outcome.status == NATIVE_WRITE_ERROR)
                return;
        if (outcome.status || outcome.result.code != run->outcome.result.code)
                guest_run_complain(run, "a dry run ends with %u, a real one with %u",
                                   run->outcome.result.code, outcome.result.code);
        if (told.hash != run->told.hash)
                guest_run_complain(run, "a dry run tells something else");
}

/* A full or failing disk: before the switch, all is as it was. */
static void judge_failed_write(const struct guest_run *run)
{
        if (!run->outcome.committed && guest_run_sum(run->image) != run->old_sum)
                guest_run_complain(run, "a failed write has not been rolled back");
}

static void judge_status(const struct guest_run *run)
{
        switch (run->outcome.status) {
        case NATIVE_PROTOCOL:
                guest_run_complain(run, "a rule was broken: %s", run->outcome.rule);
        case NATIVE_CHANGED:
                guest_run_complain(run, "the image is said to have changed");
        case NATIVE_READ_ERROR:
                guest_run_complain(run, "a read has failed");
        case NATIVE_WRITE_ERROR:
                judge_failed_write(run);
                break;
        case NATIVE_OK:
                break;
        }
}

static void judge_success(struct guest_run *run)
{
        switch (run->input.operation) {
        case GUEST_BITMAP:
                guest_judge_bitmap(run);
                break;
        case GUEST_REPAIR:
                guest_judge_repair(run);
                break;
        case GUEST_RESIZE:
                guest_judge_resize(run);
                break;
        case GUEST_UNREFERENCED:
                guest_judge_unreferenced(run);
                break;
        default:
                break;
        }
}

static void judge_looks(struct guest_run *run)
{
        bool dry_run = run->call.flags & ABI_CALL_DRY_RUN;
        switch (run->input.operation) {
        case GUEST_CHECK:
                judge_look_again(run, check_main);
                break;
        case GUEST_INFO:
                judge_look_again(run, info_main);
                break;
        case GUEST_MAP:
                judge_look_again(run, map_main);
                break;
        case GUEST_BITMAP:
                if (dry_run)
                        judge_dry_run(run, guest_main, GUEST_WRITES);
                break;
        case GUEST_REPAIR:
                if (dry_run)
                        judge_dry_run(run, repair_main, GUEST_TELLS_AND_WRITES);
                break;
        default:
                break;
        }
}

void guest_judge(struct guest_run *run)
{
        bool dry_run = run->call.flags & ABI_CALL_DRY_RUN;
        judge_status(run);
        if (run->outcome.status)
                return;
        if (run->outcome.result.code)
                judge_unchanged(run, "a refusal");
        else if (dry_run)
                judge_unchanged(run, "a dry run");
        else
                judge_success(run);
        judge_looks(run);
}
