/* SPDX-License-Identifier: MIT */
/*
 * An edit that succeeded: two readers and a model have to agree.  Where the image was
 * damaged before, an edit may be what damage shows in: the disk's own data may lie in a
 * refcount block.  There, only what holds for every run is asked for.
 */
#include "fuzz/counts.h"
#include "fuzz/harness/guest_run.h"
#include "tests/native/reader.h"
#include "tests/unit/ops/model.h"

static void judge_list(struct guest_run *run, const struct read_image *before,
                       const struct read_image *now)
{
        static struct model model;
        if (before->bitmap_count >= MODEL_MAX - ABI_MAX_ACTIONS)
                return;
        model_take(&model, before);
        enum abi_code code = model_apply(&model, &run->call);
        const char *difference = code ? NULL : model_difference(&model, now);
        if (code)
                guest_run_complain(run, "done, where the model says %u", code);
        if (difference)
                guest_run_complain(run, "the list is not the model's: %s", difference);
        if (run->outcome.result.bitmaps != now->bitmap_count)
                guest_run_complain(run, "another number of bitmaps than is told");
        model_free(&model);
}

static void compare(struct guest_run *run, const struct read_image *before,
                    const struct read_image *now)
{
        const char *difference = read_difference(before, now);
        if (now->error[0])
                guest_run_complain(run, "unreadable: %s", now->error);
        if (difference)
                guest_run_complain(run, "changed: %s", difference);
        if (now->corruptions > before->corruptions)
                guest_run_complain(run, "%llu corruptions, %llu before, first at %llu",
                                   (unsigned long long)now->corruptions,
                                   (unsigned long long)before->corruptions,
                                   (unsigned long long)now->first_corruption);
        if (now->leaks > before->leaks + run->outcome.result.leaked_clusters)
                guest_run_complain(run, "%llu leaks, %llu before, first at %llu",
                                   (unsigned long long)now->leaks,
                                   (unsigned long long)before->leaks,
                                   (unsigned long long)now->first_leak);
        judge_list(run, before, now);
}

static void judge_by_reader(struct guest_run *run)
{
        struct native_image *old = native_host_image(run->looker);
        struct read_image before;
        struct read_image now;
        guest_run_image(run, old);
        read_image(old, &before);
        if (!before.error[0]) {
                fuzz_count(FUZZ_JUDGED);
                read_image(run->image, &now);
                compare(run, &before, &now);
                read_image_free(&now);
        }
        read_image_free(&before);
}

static void judge_nothing_done(struct guest_run *run)
{
        if (guest_run_sum(run->image) != run->old_sum)
                guest_run_complain(run, "a change that is not in the trace");
}

void guest_judge_bitmap(struct guest_run *run)
{
        struct guest_told before;
        if (!native_trace_changes(native_host_trace(run->host)))
                judge_nothing_done(run);
        if (!guest_judge_was_sound(run, &before))
                return;
        judge_by_reader(run);
        guest_judge_disk(run);
        guest_judge_no_worse(run, &before);
}
