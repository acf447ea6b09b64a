/* SPDX-License-Identifier: MIT */
#include "interrupted.h"

#include "cmocka_all.h"

#include <string.h>
#include <unistd.h>

void interrupted_create(struct interrupted *edit)
{
        memset(edit, 0, sizeof *edit);
        scratch_create_in(&edit->scratch, "/dev/shm"); /* nothing waits for a disk */
        scratch_place(&edit->scratch, "disk.instar-journal", &edit->place);
        power_image_fill(&edit->image, INTERRUPTED_OLD_SIZE, 3);
        memset(edit->image.cache.bytes + 512 * 6, 0, 512 * 2);
        edit->image.disk = edit->image.cache;
        edit_begin(&edit->edit, &edit->place, &edit->image.cache, INTERRUPTED_FINAL_SIZE,
                   3);
        edit_plan(&edit->edit, 1, 10, 6, JOURNAL_OLD_BEHIND_END);
        edit_plan(&edit->edit, 1, 3, 2, JOURNAL_OLD_BYTES);
        edit_close_batch(&edit->edit);
        edit_plan(&edit->edit, 2, 6, 2, JOURNAL_OLD_ZEROS);
        edit_plan(&edit->edit, 2, 4, 1, JOURNAL_OLD_BYTES);
        edit_plan(&edit->edit, 2, 9, 1, JOURNAL_OLD_BYTES); /* where the old file ends */
        edit_plan_switch(&edit->edit, INTERRUPTED_SWITCH, 1);
        edit_close_batch(&edit->edit);
        edit_abandon(&edit->edit);
        scratch_identity(&edit->facts.identity);
        edit->facts.owner = geteuid();
}

void interrupted_destroy(struct interrupted *edit)
{
        edit_release(&edit->edit);
        journal_place_release(&edit->place);
        scratch_remove(&edit->scratch);
}

void interrupted_apply(struct interrupted *edit, uint32_t last)
{
        struct image_io io = power_image_io(&edit->image);

        edit_apply_steps(&edit->edit, &io, last);
}

struct journal_found *interrupted_open(struct interrupted *edit)
{
        struct journal_found *found;

        assert_int_equal(
            journal_found_open(edit->place.path, &edit->facts, false, &found), 0);
        assert_int_equal(found->state, JOURNAL_HOT);
        return found;
}

void interrupted_expect_recovery(struct interrupted *edit)
{
        struct image_io io = power_image_io(&edit->image);
        struct journal_found *found = interrupted_open(edit);
        enum journal_verdict verdict;

        assert_int_equal(journal_found_judge(found, &io, &verdict), 0);
        assert_int_equal(verdict, JOURNAL_VERDICT_UNDO);
        assert_int_equal(journal_found_undo(found, &io), 0);
        journal_found_close(found);
        assert_true(power_files_equal(&edit->image.disk, &edit->edit.before));
        assert_int_equal(access(edit->place.path, F_OK), -1);
}
