/* SPDX-License-Identifier: MIT */
/* A new size that was set: the disk has it, and is otherwise as it was. */
#include "fuzz/counts.h"
#include "fuzz/harness/guest_run.h"
#include "tests/native/image_maker.h"
#include "tests/native/reader.h"

#define SIZE_AT 24u

static void judge_size(const struct guest_run *run)
{
        const struct abi_result *result = &run->outcome.result;
        if (native_trace_changes(native_host_trace(run->host)) &&
            peek64(run->image, SIZE_AT) != result->detail[1])
                guest_run_complain(run, "the disk has another size than is told");
}

/* Snapshots, names and extensions; the mapping is guest_judge_disk()'s business. */
static void judge_by_reader(struct guest_run *run)
{
        struct native_image *old = native_host_image(run->looker);
        struct read_image before;
        struct read_image now;
        guest_run_image(run, old);
        read_image(old, &before);
        if (before.error[0])
                return;
        fuzz_count(FUZZ_JUDGED);
        read_image(run->image, &now);
        if (now.error[0])
                guest_run_complain(run, "unreadable: %s", now.error);
        if (now.snapshot_hash != before.snapshot_hash)
                guest_run_complain(run, "changed: snapshots");
        if (now.backing_hash != before.backing_hash ||
            now.extension_hash != before.extension_hash)
                guest_run_complain(run,
                                   "changed: the backing file's name, or extensions");
        if (now.corruptions > before.corruptions)
                guest_run_complain(run, "%llu corruptions, %llu before",
                                   (unsigned long long)now.corruptions,
                                   (unsigned long long)before.corruptions);
        read_image_free(&now);
        read_image_free(&before);
}

void guest_judge_resize(struct guest_run *run)
{
        struct guest_told before;
        judge_size(run);
        if (!guest_judge_was_sound(run, &before))
                return;
        judge_by_reader(run);
        guest_judge_disk(run);
        guest_judge_no_worse(run, &before);
}
