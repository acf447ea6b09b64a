/* SPDX-License-Identifier: MIT */
/* Recovery, against the model. */
#include "fuzz/harness/journal_judge.h"

#include <string.h>

static const struct journal_how whole = {.cut = WORLD_WHOLE};

/* ---- a look, and the whole -------------------------------------------------------- */

static enum recovery_state would(enum recovery_state state)
{
        if (state >= RECOVERY_FIRST_STOP)
                return state;
        return state - RECOVERY_UNDONE + RECOVERY_WOULD_UNDO;
}

static void judge_state(const struct journal_world *now, enum recovery_state state,
                        const char *what)
{
        if (now->item.state != state)
                journal_complain("%s: state %d (error %d), the model says %d", what,
                                 now->item.state, now->item.error, state);
        if (now->disk.lengthened)
                journal_complain("%s: something would have lengthened the image", what);
}

/* Nobody can tell that it has run. */
static void judge_untouched(const struct journal_world *before,
                            const struct journal_world *now, const char *what)
{
        if (now->changes || !now->is_there || !now->has_bytes ||
            memcmp(now->ending, before->ending, sizeof now->ending) != 0 ||
            now->disk.changes || !journal_file_equal(&now->disk.seen, &before->disk.seen))
                journal_complain("%s has changed something", what);
}

static void judge_dry_run(const struct journal_world *before,
                          const struct journal_model *model)
{
        static struct journal_world now;
        journal_world_copy(&now, before);
        journal_world_recover(&now,
                              (struct journal_how){.dry_run = true, .cut = WORLD_WHOLE});
        /* What only shows when it is tried. */
        if (model->state == RECOVERY_FAILED && now.item.state == RECOVERY_WOULD_COMPLETE)
                now.item.state = RECOVERY_FAILED;
        judge_state(&now, would(model->state), "a dry run");
        judge_untouched(before, &now, "a dry run");
}

static void judge_journal(const struct journal_world *now)
{
        if (now->is_there || now->ending_unsynced || now->unlink_unsynced)
                journal_complain("the journal is there, or may be again");
        if (now->item.state == RECOVERY_SET_ASIDE && !now->is_set_aside)
                journal_complain("a journal that was set aside is lost");
}

/* A failed sync leaves on the disk what looks like the old content in memory.  All of it
 * is written again, but for what was a hole. */
static void judge_durable(const struct journal_world *now, const struct second *second,
                          const struct journal_model *model)
{
        const struct journal_file *disk = &now->disk.durable;
        if (disk->size != model->end.size)
                journal_complain("the disk has another size");
        for (uint64_t number = 0; number * 512 < disk->size; number++) {
                bool hole = false;
                uint64_t i;
                for (uint32_t r = 0; r < second->count; r++)
                        hole |= second_covers(&second->records[r], number, &i) &&
                                second->records[r].old == JOURNAL_OLD_ZEROS;
                if (!hole && memcmp(journal_file_sector(disk, number),
                                    journal_file_sector(&model->end, number), 512) != 0)
                        journal_complain("sector %llu is not durable",
                                         (unsigned long long)number);
        }
}

static void judge_image(const struct journal_world *before,
                        const struct journal_world *now, const struct second *second,
                        const struct journal_model *model)
{
        bool failed = before->input->state & JOURNAL_STATE_FAILED;
        bool writes =
            model->state == RECOVERY_UNDONE || model->state == RECOVERY_COMPLETE;
        bool syncs = writes || model->state == RECOVERY_SUPERSEDED;
        if (!journal_file_equal(&now->disk.seen, &model->end))
                journal_complain("the image is not the model's");
        if (!syncs && now->disk.changes != before->disk.changes)
                journal_complain("the image has been written to");
        if (syncs && !failed && !journal_file_equal(&now->disk.durable, &model->end))
                journal_complain("the image is not durable");
        if (writes && failed && before->made->genuine &&
            second_is_consistent(second, before->disk.seen.size))
                judge_durable(now, second, model);
}

/* Invariant 2: what an edit has left becomes the old image, or is the new one. */
static void judge_genuine(const struct journal_world *before, const struct second *second,
                          const struct journal_model *model)
{
        const struct journal_made *made = before->made;
        struct journal_answers answers = journal_model_answers(before->input);
        if (!made->genuine || !model->is_hot || answers.proof_error || answers.proof ||
            !second_is_consistent(second, before->disk.seen.size))
                return;
        if (second->switch_record >= 0) {
                const struct second_record *record =
                    &second->records[second->switch_record];
                if (journal_hash(second_old(record, 0), 512) == second_hash(record, 0))
                        return;
        }
        if (model->state == RECOVERY_UNDONE
                ? !journal_file_equal(&model->end, &made->before)
                : model->state != RECOVERY_COMPLETE ||
                      !journal_file_equal(&model->end, &made->after))
                journal_complain("state %d: neither the old image nor the new one",
                                 model->state);
}

static uint32_t judge_whole(const struct journal_world *before,
                            const struct second *second,
                            const struct journal_model *model)
{
        static struct journal_world now;
        journal_world_copy(&now, before);
        journal_world_recover(&now, whole);
        judge_state(&now, model->state, "recovery");
        if (model->state >= RECOVERY_FIRST_STOP) {
                judge_untouched(before, &now, "what was refused");
                return 0;
        }
        uint32_t changes = now.changes;
        judge_journal(&now);
        judge_image(before, &now, second, model);
        return changes;
}

/* ---- cut off, and begun again ----------------------------------------------------- */

/* Programs saw it before, or may have after a loss of the power. */
static bool was_there(const struct journal_disk *old, uint64_t number,
                      const uint8_t *content, uint64_t length)
{
        bool found = !memcmp(content, journal_file_sector(&old->seen, number), length) ||
                     !memcmp(content, journal_file_sector(&old->durable, number), length);
        for (uint32_t i = 0; i < old->pending_count && !found; i++)
                found = !old->pending[i].is_size && old->pending[i].number == number &&
                        !memcmp(content, old->pending[i].content, length);
        return found;
}

/* Where the journal is none that a writer makes: at least nothing foreign is written. */
static void judge_listed(const struct second *second, const struct journal_disk *old,
                         const struct journal_file *now)
{
        for (uint64_t number = 0; number * 512 < now->size; number++) {
                const uint8_t *content = journal_file_sector(now, number);
                uint64_t left = now->size - number * 512;
                uint64_t inside = left < 512 ? left : 512;
                bool listed = was_there(old, number, content, inside);
                for (uint32_t r = 0; r < second->count && !listed; r++) {
                        uint64_t i;
                        if (second_covers(&second->records[r], number, &i))
                                listed = !memcmp(
                                    content, second_old(&second->records[r], i), inside);
                }
                if (!listed)
                        journal_complain("sector %llu has bytes that are in no record",
                                         (unsigned long long)number);
        }
}

static void judge_end(const struct journal_world *before, const struct journal_world *now,
                      const struct second *second, const struct journal_model *model)
{
        if (now->disk.lengthened)
                journal_complain(
                    "begun again: something would have lengthened the image");
        if (!second_is_consistent(second, before->disk.seen.size)) {
                judge_listed(second, &before->disk, &now->disk.seen);
                return;
        }
        if (now->is_there)
                journal_complain("begun again: no end (state %d, error %d)",
                                 now->item.state, now->item.error);
        if (!journal_file_equal(&now->disk.seen, &model->end))
                journal_complain("begun again: another end (invariant 3)");
}

/* The steps before this one are there, of this one anything, of later ones nothing. */
static bool fits_step(const struct second *second, const struct journal_file *now,
                      uint64_t number, uint32_t step)
{
        const uint8_t *content = journal_file_sector(now, number);
        uint64_t hash = journal_hash(content, 512);
        bool fits = true; /* where no change is near */
        bool found = false;
        for (uint32_t r = 0; r < second->count; r++) {
                const struct second_record *record = &second->records[r];
                uint64_t i;
                if (!second_covers(record, number, &i))
                        continue;
                if (!found)
                        fits = !memcmp(content, second_old(record, i), 512);
                found = true;
                if (record->step < step)
                        fits = hash == second_hash(record, i);
                else if (record->step == step)
                        fits = fits || hash == second_hash(record, i);
        }
        return fits;
}

static bool fits_steps(const struct second *second, const struct journal_file *now,
                       uint32_t step)
{
        for (uint64_t number = 0; (number + 1) * 512 <= second->old_size; number++)
                if (!fits_step(second, now, number, step))
                        return false;
        return true;
}

/* Invariant 4: recovery itself goes through no state that the edit did not go through. */
static void judge_between(const struct journal_world *before,
                          const struct journal_world *now, const struct second *second)
{
        const struct journal_file *file = &now->disk.seen;
        if (!before->made->genuine || before->input->state & JOURNAL_STATE_FAILED ||
            !second_is_consistent(second, before->disk.seen.size))
                return;
        bool changes = false;
        for (uint32_t r = 0; r < second->count; r++) {
                if (second->records[r].kind != 2)
                        continue;
                if (fits_steps(second, file, second->records[r].step))
                        return;
                changes = true;
        }
        if (changes)
                journal_complain("cut off: a state that the edit did not go through");
}

/* The disk has not all that programs see. */
static bool lags(const struct journal_world *world)
{
        return !journal_file_equal(&world->disk.seen, &world->disk.durable);
}

/* What was not synced when recovery began may be lost, and it is another image then. */
static void judge_cut(const struct journal_world *before, const struct second *second,
                      struct journal_model model, uint32_t changes)
{
        static struct journal_world now;
        const struct journal_input *input = before->input;
        bool power = input->state & JOURNAL_STATE_POWER_2;
        journal_world_copy(&now, before);
        journal_world_recover(&now, (struct journal_how){.cut = input->cut % changes});
        if (input->second_cut) {
                journal_world_keep_power(&now);
                journal_world_recover(
                    &now, (struct journal_how){.cut = input->second_cut - 1u});
        }
        if (power)
                journal_world_lose_power(&now, input->chosen);
        else
                journal_world_keep_power(&now);
        judge_between(before, &now, second);
        if (power && lags(before)) {
                journal_model(input, second, &now.disk.seen, &model);
                judge_genuine(before, second, &model);
        }
        if (model.state != RECOVERY_UNDONE && model.state != RECOVERY_COMPLETE)
                return;
        journal_world_recover(&now, whole);
        judge_end(before, &now, second, &model);
}

/* ---- an error --------------------------------------------------------------------- */

static void judge_fault(const struct journal_world *before, const struct second *second,
                        const struct journal_model *model)
{
        static struct journal_world now;
        journal_world_copy(&now, before);
        journal_world_recover(&now, (struct journal_how){.cut = WORLD_WHOLE,
                                                         .fault = before->input->fault});
        if (!now.met_fault)
                return;
        if (now.is_there)
                journal_world_recover(&now, whole);
        judge_end(before, &now, second, model);
        if (second_is_consistent(second, before->disk.seen.size) &&
            model->state == RECOVERY_UNDONE && !lags(before))
                judge_durable(&now, second, model);
}

void journal_judge_recovery(const struct journal_world *world,
                            const struct second *second,
                            const struct journal_model *model)
{
        judge_dry_run(world, model);
        judge_genuine(world, second, model);
        uint32_t changes = judge_whole(world, second, model);
        if (model->state != RECOVERY_UNDONE && model->state != RECOVERY_COMPLETE)
                return;
        judge_cut(world, second, *model, changes);
        if (world->input->fault)
                judge_fault(world, second, model);
}
