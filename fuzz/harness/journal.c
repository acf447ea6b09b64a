/* SPDX-License-Identifier: MIT */
/*
 * The journal's reader, and recovery, on an arbitrary journal and image.  The input's
 * layout is in journal_input.h.  What is right, whatever they say:
 *
 *   - the reader agrees with another one, made from docs/journal-format.md, in every
 * field of every record, forward, backward and the second time;
 *   - recovery does what that page says, to the byte, and no more: it never lengthens the
 *     image, what is refused has changed nothing, a dry run says what a real one does;
 *   - what an edit may have left becomes the old image, or is the new one (invariant 2);
 *   - recovery that is cut off anywhere, with or without the power, or that meets an
 * error, comes to the same end when it is begun again (invariant 3), where the journal is
 * one that a writer may have made; where it is not, it writes nothing but what is listed
 * in it (invariant 7).
 */
#include "fuzz/counts.h"
#include "fuzz/harness/harness.h"
#include "fuzz/harness/journal_judge.h"

const char *const fuzz_count_words[FUZZ_COUNTS] = {
    [FUZZ_RUNS] = "runs",
    [FUZZ_PAST_HEADER] = "with a header",
    [FUZZ_SUCCEEDED] = "carried out",
    [FUZZ_CHANGED] = "with something undone",
    [FUZZ_JUDGED] = "with a hot journal",
};

static void count(const struct second *second, const struct journal_world *world,
                  const struct journal_model *model)
{
        fuzz_count(FUZZ_RUNS);
        if (second->has_header)
                fuzz_count(FUZZ_PAST_HEADER);
        if (model->state < RECOVERY_FIRST_STOP)
                fuzz_count(FUZZ_SUCCEEDED);
        if (model->undoes && !journal_file_equal(&world->disk.seen, &model->end))
                fuzz_count(FUZZ_CHANGED);
        if (model->is_hot)
                fuzz_count(FUZZ_JUDGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct journal_input input;
        static struct journal_made made;
        static struct journal_world world;
        static struct second second;
        static struct journal_model model;
        if (!journal_input_decode(data, size, &input))
                return -1;
        struct journal_identity identity = journal_world_identity(&input);
        journal_make(&input, &made, &world.disk);
        journal_world_start(&world, &input, &made);
        if (!second_read(&second, &made, &identity))
                return -1;
        journal_model(&input, &second, &world.disk.seen, &model);
        count(&second, &world, &model);
        journal_judge_reader(&world, &second);
        journal_judge_recovery(&world, &second, &model);
        return 0;
}
