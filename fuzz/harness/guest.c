/* SPDX-License-Identifier: MIT */
/*
 * Each guest operation on an arbitrary image, natively.  The input's layout is in
 * guest_input.h.  What is right, whatever the image says:
 *
 *   - the guest keeps the host's rules, and ends; it touches no memory but its own (the
 *     sanitizers say so, in the arena, too: fuzz/arena_guard.c);
 *   - what is refused, or only looks, has changed no byte (invariant 6);
 *   - a success on an image without corruptions leaves the disk as it was, and nothing
 *     that the checker calls worse; where an independent reader understands the image, it
 *     finds what a model of the actions says, bit by bit (invariant 5);
 *   - after a repair, of whatever damage, the checker finds nothing, and the disk is as
 * it was where it could be read;
 *   - looking twice shows the same; repairing twice does nothing the second time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/counts.h"
#include "fuzz/harness/guest_hosts.h"
#include "fuzz/harness/guest_names.h"
#include "fuzz/harness/guest_run.h"
#include "fuzz/harness/harness.h"
#include "guest/ops/bitmap.h"
#include "guest/ops/check.h"
#include "guest/ops/info.h"
#include "guest/ops/map.h"
#include "guest/ops/repair.h"
#include "guest/ops/resize.h"
#include "guest/ops/unreferenced.h"

const char *const fuzz_count_words[FUZZ_COUNTS] = {
    [FUZZ_RUNS] = "runs",
    [FUZZ_PAST_HEADER] = "past the header",
    [FUZZ_SUCCEEDED] = "successful",
    [FUZZ_CHANGED] = "with changes",
    [FUZZ_JUDGED] = "judged by another reader",
};

#define CAPACITY                                                                         \
        (128ull << 20) /* of an image: growth beyond it fails as a full disk does */
struct operation {
        void (*program)(void);
        uint32_t flags; /* that its command may set */
        enum guest_rights rights;
};

static const struct operation operations[GUEST_OPERATIONS] = {
    [GUEST_BITMAP] = {guest_main, ABI_CALL_NO_OWNERSHIP_SCAN | ABI_CALL_DRY_RUN,
                      GUEST_WRITES},
    [GUEST_CHECK] = {check_main, ABI_CALL_PROGRESS, GUEST_LOOKS},
    [GUEST_REPAIR] = {repair_main,
                      ABI_CALL_DRY_RUN | ABI_CALL_REPAIR_ALL | ABI_CALL_RESET_DAMAGED,
                      GUEST_TELLS_AND_WRITES},
    [GUEST_RESIZE] = {resize_main, ABI_CALL_SHRINK | ABI_CALL_NO_OWNERSHIP_SCAN,
                      GUEST_WRITES},
    [GUEST_INFO] = {info_main, ABI_CALL_COUNT, GUEST_LOOKS},
    [GUEST_MAP] = {map_main, 0, GUEST_LOOKS},
    [GUEST_UNREFERENCED] = {unreferenced_main, 0, GUEST_LOOKS},
};

static uint64_t granularity(uint8_t choice)
{
        if (!choice)
                return 0;
        return choice < 64 ? 1ull << choice : choice * 1021ull;
}

static bool removes_all(const struct guest_input *input)
{
        return input->action_count && input->actions[0] == ABI_ACTION_REMOVE_ALL;
}

/* As the command line would fill it in. */
static void fill_call(const struct guest_run *run, struct abi_call *call)
{
        const struct guest_input *input = &run->input;
        memset(call, 0, sizeof *call);
        call->flags = input->flags & operations[input->operation].flags;
        call->granularity = granularity(input->granularity);
        call->action_count = input->action_count;
        for (uint32_t i = 0; i < input->action_count; i++)
                call->actions[i] = input->actions[i];
        if (!removes_all(input) || input->operation == GUEST_MAP)
                call->target_length = guest_name(run->image, input->target, call->target);
        guest_sources(run->image, input->sources, input->source_count, call);
        call->columns = input->columns;
        call->size = input->size;
        call->size_mode = input->size_mode;
        call->range_count = input->range_count;
        for (uint32_t i = 0; i < input->range_count; i++)
                call->ranges[i] = (struct abi_range){
                    (uint64_t)input->ranges[i].sector * ABI_SECTOR,
                    ((uint64_t)input->ranges[i].sectors + 1) * ABI_SECTOR};
}

static void open_hosts(struct guest_run *run)
{
        struct guest_hosts hosts = guest_hosts_open(CAPACITY, true);
        run->host = hosts.host;
        run->looker = hosts.looker;
        run->image = native_host_image(run->host);
}

static bool got_past_header(const struct guest_run *run)
{
        switch (run->outcome.result.code) {
        case ABI_NOT_QCOW2:
        case ABI_QCOW2_V2:
        case ABI_BAD_HEADER:
        case ABI_HEADER_CHANGED:
        case ABI_DIRTY:
        case ABI_CORRUPT:
        case ABI_UNKNOWN_INCOMPATIBLE:
                return false;
        default:
                return !run->told.bad_header;
        }
}

static void count(const struct guest_run *run)
{
        fuzz_count(FUZZ_RUNS);
        if (got_past_header(run))
                fuzz_count(FUZZ_PAST_HEADER);
        if (!run->outcome.status && !run->outcome.result.code)
                fuzz_count(FUZZ_SUCCEEDED);
        if (native_trace_changes(native_host_trace(run->host)))
                fuzz_count(FUZZ_CHANGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct guest_run run;
        run.data = data;
        run.length = size;
        if (!guest_input_decode(data, size, &run.input))
                return -1;
        if (!run.host)
                open_hosts(&run);
        const struct operation *operation = &operations[run.input.operation];
        guest_run_image(&run, run.image);
        fill_call(&run, &run.call);
        run.old_sum = guest_run_sum(run.image);
        native_host_set_block_device(run.host, run.input.host & 1);
        native_host_set_block_device(run.looker, run.input.host & 1);
        native_host_fail_write(run.host, run.input.fail_write);
        run.outcome = guest_run_program(run.host, operation->program, &run.call,
                                        operation->rights, &run.told);
        native_host_fail_write(run.host, 0);
        count(&run);
        guest_judge(&run);
        return 0;
}
