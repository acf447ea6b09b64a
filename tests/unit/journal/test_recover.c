/* SPDX-License-Identifier: MIT */
/*
 * What a hot journal means for its image: the edit is complete, or it is undone, or
 * somebody else has written since, and nothing is touched.
 */
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupted.h"
#include "journal/boot.h"
#include "patch.h"

#define SECOND UINT64_C(1000000000)
#define LIMIT  (60 * SECOND) /* what a writer has between a batch and its writes */

static const uint8_t other_boot[JOURNAL_BOOT_ID_SIZE] = {1, 2, 3};
static const uint8_t no_boot[JOURNAL_BOOT_ID_SIZE];

static int set_up(void **state)
{
        struct interrupted *edit = malloc(sizeof *edit);

        interrupted_create(edit);
        *state = edit;
        return 0;
}

static int tear_down(void **state)
{
        interrupted_destroy(*state);
        free(*state);
        return 0;
}

static int refuse_changes(void *context, enum power_call call)
{
        (void)context;
        assert_true(call == POWER_READ || call == POWER_SIZE);
        return 0;
}

/* Nothing is changed in order to judge. */
static void expect_verdict(struct interrupted *edit, enum journal_verdict expected)
{
        struct image_io io = power_image_io(&edit->image);
        struct journal_found *found = interrupted_open(edit);
        enum journal_verdict verdict;

        edit->image.before = refuse_changes;
        assert_int_equal(journal_found_judge(found, &edit->facts, &io, &verdict), 0);
        edit->image.before = NULL;
        assert_int_equal(verdict, expected);
        assert_false(found->reader.ending);
        journal_found_close(found);
}

static uint64_t last_batch_time(struct interrupted *edit)
{
        struct journal_found *found = interrupted_open(edit);
        uint64_t time = found->reader.close_time;

        journal_found_close(found);
        assert_true(time && time <= boot_now());
        return time;
}

/* ---- undone, or complete --------------------------------------------------------- */

static void an_edit_without_its_switch_is_undone(void **state)
{
        struct interrupted *edit = *state;

        interrupted_apply(edit, INTERRUPTED_SWITCH - 1);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        interrupted_expect_recovery(edit);
}

static void an_edit_that_had_not_written_is_undone(void **state)
{
        expect_verdict(*state, JOURNAL_VERDICT_UNDO);
        interrupted_expect_recovery(*state);
}

/* The switch is the commit point: what else is in the image, and when it was
 * written, no longer counts (invariant 2). */
static void an_edit_with_its_switch_is_complete(void **state)
{
        struct interrupted *edit = *state;

        interrupted_apply(edit, INTERRUPTED_SWITCH);
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->facts.mtime = boot_now() + 2 * LIMIT;
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->image.cache.bytes[512 * 3] ^= 1;
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->image.cache.size = INTERRUPTED_FINAL_SIZE + 512;
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->image.cache.bytes[512] ^= 1; /* the switch's sector */
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
}

/* A batch that was not closed does not count, and the switch may have been in it. */
static void an_edit_whose_switch_was_not_journaled_is_undone(void **state)
{
        struct interrupted *edit = *state;
        struct journal_found *found;

        interrupted_apply(edit, 1);
        assert_int_equal(
            truncate(edit->place.path, (off_t)edit->edit.journals[1].size + 512), 0);
        found = interrupted_open(edit);
        assert_false(found->reader.has_switch);
        assert_int_equal(found->reader.closed_batches, 1);
        journal_found_close(found);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        interrupted_expect_recovery(edit);
}

static void put_journal_back(struct interrupted *edit)
{
        const struct edit_journal *journal = &edit->edit.journals[edit->edit.batches];
        int fd = openat(edit->place.directory_fd, edit->place.name,
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, journal->bytes, journal->size),
                         (ssize_t)journal->size);
        close(fd);
}

/* Neither undoing nor completing writes behind its end. */
static void a_file_that_ends_inside_the_switch_keeps_its_size(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        struct journal_found *found;
        struct power_file before = edit->edit.before;

        edit_release(&edit->edit);
        assert_int_equal(unlink(edit->place.path), 0);
        edit_begin(&edit->edit, &edit->place, &before, before.size, 4);
        edit_plan_switch(&edit->edit, 1, 9);
        edit_close_batch(&edit->edit);
        edit_abandon(&edit->edit);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        found = interrupted_open(edit);
        assert_int_equal(journal_found_undo(found, &io), 0);
        journal_found_close(found);
        assert_true(power_files_equal(&edit->image.disk, &before));
        put_journal_back(edit);
        interrupted_apply(edit, 1);
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        found = interrupted_open(edit);
        assert_int_equal(journal_found_complete(found, &io), 0);
        journal_found_close(found);
        assert_true(power_files_equal(&edit->image.disk, &edit->edit.after));
        assert_false(edit->image.lengthened);
}

/* ---- somebody else has written ------------------------------------------------------
 */

static void a_size_that_the_edit_did_not_give_is_another_writers(void **state)
{
        struct interrupted *edit = *state;
        static const struct {
                uint64_t size;
                enum journal_verdict verdict;
        } cases[] = {
            {INTERRUPTED_OLD_SIZE - 1, JOURNAL_VERDICT_SIZE},
            {INTERRUPTED_OLD_SIZE, JOURNAL_VERDICT_UNDO},
            {INTERRUPTED_OLD_SIZE + 1, JOURNAL_VERDICT_UNDO},
            {INTERRUPTED_FINAL_SIZE, JOURNAL_VERDICT_UNDO},
            {INTERRUPTED_FINAL_SIZE + 1, JOURNAL_VERDICT_SIZE},
        };

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                edit->image.cache.size = cases[i].size;
                expect_verdict(edit, cases[i].verdict);
        }
}

static bool is_journaled(const struct edit *edit, uint64_t sector)
{
        for (size_t c = 0; c < edit->count; c++)
                if (sector >= edit->changes[c].sector &&
                    sector < edit->changes[c].sector + edit->changes[c].sectors)
                        return true;
        return false;
}

/* In whatever state the edit is: one byte of one sector is enough. */
static void foreign_bytes_in_any_journaled_sector_are_another_writers(void **state)
{
        struct interrupted *edit = *state;

        for (uint32_t applied = 0; applied < INTERRUPTED_SWITCH; applied++) {
                if (applied)
                        interrupted_apply(edit, applied);
                for (uint64_t sector = 0; sector < 20; sector++) {
                        uint8_t *byte =
                            &edit->image.cache.bytes[sector * 512 + sector * 7];

                        *byte ^= 0x40;
                        expect_verdict(edit, is_journaled(&edit->edit, sector)
                                                 ? JOURNAL_VERDICT_CONTENT
                                                 : JOURNAL_VERDICT_UNDO);
                        *byte ^= 0x40;
                }
        }
        interrupted_expect_recovery(edit);
}

/* One sector's content is no content of another one. */
static void contents_that_changed_places_are_another_writers(void **state)
{
        struct interrupted *edit = *state;
        uint8_t *bytes = edit->image.cache.bytes;

        interrupted_apply(edit, 1);
        memcpy(bytes + 512 * 11, bytes + 512 * 10, 512);
        expect_verdict(edit, JOURNAL_VERDICT_CONTENT);
        memset(bytes + 512 * 11, 0, 512); /* behind the old end: never written */
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        memset(bytes + 512 * 3, 0, 512);
        expect_verdict(edit, JOURNAL_VERDICT_CONTENT);
}

static void an_image_written_later_than_the_edit_could_is_another_writers(void **state)
{
        struct interrupted *edit = *state;
        uint64_t last = last_batch_time(edit);

        interrupted_apply(edit, 1);
        edit->facts.mtime = last + LIMIT;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime = last + LIMIT + 1;
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
        edit->facts.has_mtime = false; /* a block device's says nothing */
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.has_mtime = true;
        edit->facts.mtime = 0;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
}

/* The edit was journaled at that time, in another run of the system. */
static void journal_in_another_boot(struct interrupted *edit, uint64_t time)
{
        interrupted_destroy(edit);
        interrupted_create_at(edit, time);
        interrupted_apply(edit, 1);
        patch_sector(&edit->place, 0, HEADER_BOOT, other_boot, sizeof other_boot);
}

/* Also where less than a minute lies between. */
static void an_image_written_in_a_later_boot_is_another_writers(void **state)
{
        struct interrupted *edit = *state;

        journal_in_another_boot(edit, boot_time() - 20 * SECOND);
        edit->facts.mtime = boot_time() - 10 * SECOND;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime = boot_time() + 10 * SECOND;
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
        edit->facts.has_mtime = false;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.has_mtime = true;
        patch_sector(&edit->place, 0, HEADER_BOOT, no_boot, sizeof no_boot);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
}

/* On a disk that several machines have. */
static void a_journal_younger_than_this_boot_is_another_machines(void **state)
{
        struct interrupted *edit = *state;
        uint64_t time = boot_time() + 10 * SECOND;

        journal_in_another_boot(edit, time);
        edit->facts.mtime = time + LIMIT;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime = time + LIMIT + SECOND;
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
}

/* ---- a recovery that was interrupted -------------------------------------------------
 */

static int die_at_the_first_sync_but_one(void *context, enum power_call call)
{
        unsigned int *syncs = context;

        if (call == POWER_SYNC)
                ++*syncs;
        return *syncs > 1 ? POWER_GONE : 0;
}

/* The mark says which run of the system it was, and when. */
static void a_recovery_that_was_interrupted_is_resumed(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];
        struct journal_found *found;
        unsigned int syncs = 0;

        journal_in_another_boot(edit, boot_time() - 20 * SECOND);
        interrupted_apply(edit, 2);
        found = interrupted_open(edit);
        edit->image.before = die_at_the_first_sync_but_one;
        edit->image.context = &syncs;
        assert_int_equal(journal_found_undo(found, &io), POWER_GONE);
        edit->image.before = NULL;
        journal_found_close(found);

        edit->facts.mtime = boot_now(); /* in this boot, and not the header's */
        found = interrupted_open(edit);
        boot_id(boot);
        assert_true(found->reader.recovering);
        assert_memory_equal(found->reader.recovering_boot, boot, sizeof boot);
        assert_true(found->reader.ending_time <= boot_now() &&
                    boot_now() - found->reader.ending_time < 60 * SECOND);
        journal_found_close(found);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        interrupted_expect_recovery(edit);
}

static void what_is_later_is_counted_from_the_mark(void **state)
{
        struct interrupted *edit = *state;
        uint64_t last = last_batch_time(edit);
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];

        boot_id(boot);
        patch_mark(&edit->place, last + 10 * LIMIT, boot);
        edit->facts.mtime = last + 11 * LIMIT;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime++;
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
        patch_mark(&edit->place, 5, boot); /* a clock that was set back */
        edit->facts.mtime = last + LIMIT;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime++;
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
}

/* The edit was of one boot, recovery was cut off in another, and this is a third. */
static void a_recovery_of_an_earlier_boot_is_resumed(void **state)
{
        struct interrupted *edit = *state;
        uint64_t then = boot_time() - 20 * SECOND;

        journal_in_another_boot(edit, then - 100 * LIMIT);
        patch_mark(&edit->place, then, other_boot);
        edit->facts.mtime = then + SECOND;
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        edit->facts.mtime = boot_time() + 10 * SECOND; /* by whomever in this one */
        expect_verdict(edit, JOURNAL_VERDICT_LATER);
        patch_mark(&edit->place, then, no_boot);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_edit_without_its_switch_is_undone),
            TEST(an_edit_that_had_not_written_is_undone),
            TEST(an_edit_with_its_switch_is_complete),
            TEST(an_edit_whose_switch_was_not_journaled_is_undone),
            TEST(a_file_that_ends_inside_the_switch_keeps_its_size),
            TEST(a_size_that_the_edit_did_not_give_is_another_writers),
            TEST(foreign_bytes_in_any_journaled_sector_are_another_writers),
            TEST(contents_that_changed_places_are_another_writers),
            TEST(an_image_written_later_than_the_edit_could_is_another_writers),
            TEST(an_image_written_in_a_later_boot_is_another_writers),
            TEST(a_journal_younger_than_this_boot_is_another_machines),
            TEST(a_recovery_that_was_interrupted_is_resumed),
            TEST(what_is_later_is_counted_from_the_mark),
            TEST(a_recovery_of_an_earlier_boot_is_resumed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
