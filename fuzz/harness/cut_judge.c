/* SPDX-License-Identifier: MIT */
/*
 * What is right: an independent reader sees the old image or the new one, whole, in each
 * state; the checker finds no more than leaks; and recovery gives the old file back to
 * the byte, unless the switch is there.
 */
#include <string.h>

#include "fuzz/harness/cut_run.h"
#include "guest/abi_check.h"
#include "guest/ops/check.h"
#include "tests/unit/ops/model.h"

/* ---- the checker ------------------------------------------------------------------ */

struct told {
        bool has_sums;
        uint64_t damages;
        struct abi_report_check sums;
};

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        struct told *told = context;
        struct abi_report_damage damage;
        if (kind == ABI_REPORT_DAMAGE && length >= sizeof damage) {
                memcpy(&damage, bytes, sizeof damage);
                told->damages += damage.code != ABI_BAD_BITMAP ||
                                 damage.detail[2] != ABI_BITMAP_IN_USE;
        }
        if (kind != ABI_REPORT_CHECK || length != sizeof told->sums)
                return;
        memcpy(&told->sums, bytes, length);
        told->has_sums = true;
}

static bool is_sound(struct cut_run *run, const struct native_image *image)
{
        static const struct abi_call call;
        struct told told = {0};
        struct native_outcome outcome =
            cut_run_look(run, image, check_main, &call, take, &told);
        return !outcome.result.code && told.has_sums && !told.damages &&
               !told.sums.incomplete && !told.sums.corruptions && !told.sums.check_errors;
}

/* ---- the disk --------------------------------------------------------------------- */

static void judge_resized(struct cut_run *run, const struct native_image *image,
                          const struct read_image *read)
{
        bool is_old = read->virtual_size == run->old.virtual_size;
        if (!is_old && read->virtual_size != run->new.virtual_size)
                cut_complain(run, "neither the old size nor the new one");
        if (run->committed ? is_old && run->new.virtual_size != run->old.virtual_size
                           : !is_old)
                cut_complain(run, "the size of the other side of the switch");
        if (read->snapshot_hash != run->old.snapshot_hash ||
            read->backing_hash != run->old.backing_hash ||
            read->extension_hash != run->old.extension_hash)
                cut_complain(run, "changed: snapshots, backing file or extensions");
        if (image == run->image)
                cut_judge_new_disk(run);
        else
                cut_judge_disk(run, image, is_old);
}

/* ---- the list --------------------------------------------------------------------- */

/* What a reader sees of a stale list is nothing. */
static bool same_visible(const struct read_image *a, const struct read_image *b)
{
        struct read_image x = *a;
        struct read_image y = *b;
        if (x.stale)
                x.bitmap_count = 0;
        if (y.stale)
                y.bitmap_count = 0;
        return read_same_list(&x, &y);
}

static void judge_list(const struct cut_run *run, const struct read_image *read)
{
        bool is_old = same_visible(read, &run->old);
        bool is_new = same_visible(read, &run->new);
        if (run->committed ? !is_new : !is_old)
                cut_complain(run, "the switch is%s there, and the list is %s",
                             run->committed ? "" : " not",
                             is_old   ? "the old one"
                             : is_new ? "the new one"
                                      : "neither the old one nor the new one");
}

/* A repair gives back what a stale list has: nobody follows that, but this reader. */
static bool has_lost(const struct cut_run *run, const struct read_image *read)
{
        if (read->stale && run->step.operation == CUT_REPAIR)
                return false;
        return read->corruptions > run->old.corruptions;
}

static void judge_image(struct cut_run *run, const struct native_image *image,
                        const struct read_image *read)
{
        if (read->error[0])
                cut_complain(run, "unreadable: %s", read->error);
        if (has_lost(run, read))
                cut_complain(run, "cluster %llu is used, and its refcount too low",
                             (unsigned long long)read->first_corruption);
        if (run->step.operation == CUT_RESIZE) {
                judge_resized(run, image, read);
        } else {
                const char *difference = read_difference(read, &run->old);
                if (difference)
                        cut_complain(run, "changed: %s", difference);
        }
        judge_list(run, read);
        if (run->was_sound && !is_sound(run, image))
                cut_complain(run, "the checker finds more than leaks");
}

/* To the byte what was judged before is judged: most cuts end there. */
void cut_judge_state(struct cut_run *run)
{
        const struct native_image *whole = run->committed ? run->image : &run->before;
        struct read_image read;
        run->is_whole = native_image_equal(&run->state, whole);
        if (run->is_whole)
                return;
        read_image(&run->state, &read);
        judge_image(run, &run->state, &read);
        read_image_free(&read);
}

/* ---- claims ---------------------------------------------------------------------- */

/* By the transaction that event `i` belongs to; *old_end is where the file ended when it
 * began. */
static bool is_claimed(const struct native_trace *trace, size_t i, uint64_t at,
                       uint64_t *old_end)
{
        bool claimed = false;
        while (trace->events[i].kind != NATIVE_BEGIN) {
                const struct native_event *event = &trace->events[i--];
                claimed |=
                    event->kind == NATIVE_CLAIM && at - event->offset < event->length;
        }
        *old_end = trace->events[i].offset;
        return claimed;
}

/* What an edit takes it claims: or recovery could take it from its next owner
 * (invariant 7).  In the file, a fresh range may have been the image's before: a refcount
 * block. */
static void judge_claims(const struct cut_run *run)
{
        const struct native_trace *trace = native_host_trace(run->host);
        for (size_t i = 0; i < trace->count; i++) {
                const struct native_event *event = &trace->events[i];
                if (event->kind != NATIVE_WRITE || event->release ||
                    !(event->flags & ABI_CHANGE_FRESH))
                        continue;
                for (uint64_t done = 0; done < event->length; done += ABI_SECTOR) {
                        uint64_t at = event->offset + done;
                        uint64_t old_end;
                        if (!is_claimed(trace, i, at, &old_end) && at >= old_end)
                                cut_complain(run, "%llu is taken, and not claimed",
                                             (unsigned long long)at);
                }
        }
}

/* ---- what is judged --------------------------------------------------------------- */

static void judge_model(const struct cut_run *run, const struct read_image *new)
{
        static struct model model;
        model_take(&model, &run->old);
        enum abi_code code = model_apply(&model, &run->call);
        const char *difference = code ? NULL : model_difference(&model, new);
        if (code)
                cut_complain(run, "done, where the model says %u", code);
        if (difference)
                cut_complain(run, "the list is not the model's: %s", difference);
        model_free(&model);
}

void cut_judge_refusal(struct cut_run *run)
{
        const struct native_outcome *outcome = &run->outcome;
        run->end = native_host_trace(run->host)->count;
        if (outcome->status && outcome->status != NATIVE_WRITE_ERROR)
                cut_complain(run, "%s", outcome->rule ? outcome->rule : "status");
        if (!outcome->committed && !native_image_equal(run->image, &run->before))
                cut_complain(run, "a refusal has changed the image");
}

void cut_judge_unchanged(struct cut_run *run)
{
        run->end = native_host_trace(run->host)->count;
        if (!native_image_equal(run->image, &run->before))
                cut_complain(run, "nothing was written, and the image has changed");
        if (run->step.operation == CUT_BITMAP)
                judge_model(run, &run->old);
}

void cut_judge_operation(struct cut_run *run)
{
        run->end = native_host_trace(run->host)->count;
        if (!run->soundness_is_known)
                run->was_sound = is_sound(run, &run->before);
        run->soundness_is_known = true;
        run->committed = true;
        run->is_whole = true;
        if (run->step.operation == CUT_BITMAP)
                judge_model(run, &run->new);
        /* A repair may refer to what it takes before its switch. */
        if (run->step.operation != CUT_REPAIR)
                judge_claims(run);
        judge_image(run, run->image, &run->new);
}

void cut_judge_recovered(struct cut_run *run)
{
        if (run->open && !run->switched) {
                if (!native_image_equal(&run->state, &run->origin))
                        cut_complain(run, "undone, and not the old file");
                if (run->first && !native_image_equal(&run->state, &run->before))
                        cut_complain(run, "undone, and not the file before");
        }
        cut_judge_state(run);
}
