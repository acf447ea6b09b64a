/* SPDX-License-Identifier: MIT */
/*
 * Operations on a valid image, each cut off at an arbitrary point or not, and recovered
 * before the next one.  The input's layout is in cut_input.h.  What is right:
 *
 *   - the state that the cut leaves is the old image or the new one to a program that
 * knows no journal, with leaks at worst (invariants 4 and 5);
 *   - recovery, by the journal that the host would have written, gives back the old file
 * to the byte, or leaves the complete new list (invariant 2); also where it is cut off
 * and begun again (invariant 3);
 *   - a model of the actions agrees with an independent reader on every bit of every
 * bitmap.
 */
#include "fuzz/counts.h"
#include "fuzz/harness/cut_run.h"
#include "fuzz/harness/harness.h"

const char *const fuzz_count_words[FUZZ_COUNTS] = {
    [FUZZ_RUNS] = "runs",
    [FUZZ_SUCCEEDED] = "operations done",
    [FUZZ_CHANGED] = "operations cut off",
    [FUZZ_JUDGED] = "recoveries judged",
};

static void forget_old(struct cut_run *run)
{
        if (run->old_is_read)
                read_image_free(&run->old);
        run->old_is_read = false;
}

static void start(struct cut_run *run, const uint8_t *data)
{
        bool device = data[1] & 1;
        forget_old(run);
        run->soundness_is_known = false;
        if (!run->host)
                cut_run_open(run);
        const struct native_image *image = cut_images_get(data[0] % cut_images_count());
        native_image_copy(run->image, image);
        /* Its size does not change: there is room behind what the image uses. */
        if (device)
                native_image_resize(run->image,
                                    (image->size + (1 << 17)) / ABI_SECTOR * ABI_SECTOR);
        native_host_set_block_device(run->host, device);
        native_host_set_block_device(run->looker, device);
}

static void cut_off(struct cut_run *run)
{
        cut_state(run);
        fuzz_count(FUZZ_CHANGED);
        cut_judge_state(run);
        if (run->open) {
                fuzz_count(FUZZ_JUDGED);
                cut_recover(run);
                cut_judge_recovered(run);
        }
        native_image_copy(run->image, &run->state);
}

/* What was judged of the image that is left holds for the next step.  An unsound one
 * needs another look. */
static void keep_what_is_known(struct cut_run *run)
{
        bool is_old = run->is_whole && !run->committed;
        bool is_new = run->is_whole && run->committed;
        if (is_old) {
                read_image_free(&run->new);
                return;
        }
        forget_old(run);
        run->soundness_is_known = run->was_sound;
        run->old_is_read = is_new;
        if (is_new)
                run->old = run->new;
        else
                read_image_free(&run->new);
}

static void judge(struct cut_run *run)
{
        if (!run->old_is_read)
                read_image(&run->before, &run->old);
        run->old_is_read = true;
        fuzz_count(FUZZ_SUCCEEDED);
        if (!native_trace_changes(native_host_trace(run->host))) {
                cut_judge_unchanged(run);
                return;
        }
        read_image(run->image, &run->new);
        cut_judge_operation(run);
        if (run->step.cut)
                cut_off(run);
        disk_free(&run->old_disk);
        disk_free(&run->new_disk);
        keep_what_is_known(run);
}

static void take_step(struct cut_run *run)
{
        cut_run_operation(run);
        if (!run->outcome.status && !run->outcome.result.code) {
                judge(run);
                return;
        }
        cut_judge_refusal(run);
        if (run->outcome.committed) {
                forget_old(run);
                run->soundness_is_known = false;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct cut_run run;
        if (size < CUT_INPUT_HEAD + CUT_INPUT_STEP)
                return -1;
        start(&run, data);
        fuzz_count(FUZZ_RUNS);
        for (size_t i = 0; cut_input_step(data, size, i, &run.step); i++)
                take_step(&run);
        return 0;
}
