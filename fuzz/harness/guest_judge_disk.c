/* SPDX-License-Identifier: MIT */
/* The virtual disk, before and after, read by code that is not the guest's. */
#include "fuzz/harness/guest_run.h"
#include "tests/unit/ops/disk.h"

/* A smaller disk has no more than its own clusters. */
static void compare(const struct guest_run *run, struct disk *before,
                    const struct disk *now)
{
        if (run->input.operation == GUEST_RESIZE && before->count > now->count)
                before->count = now->count;
        uint64_t cluster = disk_difference(before, now);
        if (cluster != UINT64_MAX)
                guest_run_complain(run, "cluster %llu of the disk reads otherwise",
                                   (unsigned long long)cluster);
}

void guest_judge_disk(struct guest_run *run)
{
        struct native_image *old = native_host_image(run->looker);
        struct disk before;
        struct disk now;
        guest_run_image(run, old);
        disk_read(old, &before);
        disk_read(run->image, &now);
        compare(run, &before, &now);
        disk_free(&before);
        disk_free(&now);
}
