/* SPDX-License-Identifier: MIT */
/*
 * What a hot journal means for its image: the edit is complete, or it is undone, or
 * somebody else has written since, and nothing is touched.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupted.h"
#include "journal/boot.h"

#define SECOND UINT64_C(1000000000)

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
        assert_int_equal(journal_found_judge(found, &io, &verdict), 0);
        edit->image.before = NULL;
        assert_int_equal(verdict, expected);
        assert_false(found->reader.ending);
        journal_found_close(found);
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

/* The switch is the commit point (invariant 2).  The size no longer counts. */
static void an_edit_with_its_switch_is_complete(void **state)
{
        struct interrupted *edit = *state;

        interrupted_apply(edit, INTERRUPTED_SWITCH);
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->image.cache.size = INTERRUPTED_FINAL_SIZE + 512;
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
        edit->image.cache.bytes[512] ^= 1; /* the switch's sector */
        expect_verdict(edit, JOURNAL_VERDICT_SIZE);
        edit->image.cache.size = INTERRUPTED_FINAL_SIZE;
        expect_verdict(edit, JOURNAL_VERDICT_CONTENT);
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

/* Behind its end the file reads as zeros, which may be what the switch was to write. */
static void a_switch_behind_the_end_of_the_file_is_not_there(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        struct journal_found *found;
        struct power_file before = edit->edit.before;
        const uint64_t sector = before.size / 512 + 2;

        edit_release(&edit->edit);
        assert_int_equal(unlink(edit->place.path), 0);
        edit_begin(&edit->edit, &edit->place, &before, (sector + 1) * 512, 4);
        edit_plan_zero_switch(&edit->edit, 1, sector);
        edit_close_batch(&edit->edit);
        edit_abandon(&edit->edit);
        expect_verdict(edit, JOURNAL_VERDICT_UNDO);
        found = interrupted_open(edit);
        assert_int_equal(journal_found_complete(found, &io), -ESTALE);
        journal_found_close(found);
        interrupted_expect_recovery(edit);
        put_journal_back(edit);
        interrupted_apply(edit, 1);
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
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

/* Whoever wrote there since, the switch stands: nothing is undone or redone. */
static void a_switch_with_any_other_sector_written_since_is_superseded(void **state)
{
        struct interrupted *edit = *state;

        interrupted_apply(edit, INTERRUPTED_SWITCH);
        for (uint64_t sector = 0; sector < 20; sector++) {
                uint8_t *byte = &edit->image.cache.bytes[sector * 512 + sector * 7];

                if (sector == 1)
                        continue; /* the switch's own */
                *byte ^= 0x40;
                expect_verdict(edit, is_journaled(&edit->edit, sector)
                                         ? JOURNAL_VERDICT_SUPERSEDED
                                         : JOURNAL_VERDICT_COMPLETE);
                *byte ^= 0x40;
        }
        memset(edit->image.cache.bytes + 512u * 15u, 0, 512); /* cut off */
        edit->image.cache.size = 512u * 15u;
        expect_verdict(edit, JOURNAL_VERDICT_SUPERSEDED);
}

/* With the switch there, the old content is no explanation. */
static void a_switch_over_old_contents_is_superseded(void **state)
{
        static const uint64_t sectors[] = {3, 4, 6, 9, 10};
        struct interrupted *edit = *state;
        struct power_file whole;

        interrupted_apply(edit, INTERRUPTED_SWITCH);
        whole = edit->image.cache;
        for (size_t i = 0; i < sizeof sectors / sizeof *sectors; i++) {
                size_t at = sectors[i] * 512;

                if (sectors[i] < 10)
                        memcpy(edit->image.cache.bytes + at, edit->edit.before.bytes + at,
                               512);
                else
                        memset(edit->image.cache.bytes + at, 0, 512);
                expect_verdict(edit, JOURNAL_VERDICT_SUPERSEDED);
                edit->image.cache = whole;
        }
        expect_verdict(edit, JOURNAL_VERDICT_COMPLETE);
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

/* The mark says which run of the system it was, and when: to whoever looks at it. */
static void a_recovery_that_was_interrupted_is_resumed(void **state)
{
        struct interrupted *edit = *state;
        struct image_io io = power_image_io(&edit->image);
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];
        struct journal_found *found;
        unsigned int syncs = 0;

        interrupted_apply(edit, 2);
        found = interrupted_open(edit);
        edit->image.before = die_at_the_first_sync_but_one;
        edit->image.context = &syncs;
        assert_int_equal(journal_found_undo(found, &io), POWER_GONE);
        edit->image.before = NULL;
        journal_found_close(found);

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_edit_without_its_switch_is_undone),
            TEST(an_edit_that_had_not_written_is_undone),
            TEST(an_edit_with_its_switch_is_complete),
            TEST(an_edit_whose_switch_was_not_journaled_is_undone),
            TEST(a_file_that_ends_inside_the_switch_keeps_its_size),
            TEST(a_switch_behind_the_end_of_the_file_is_not_there),
            TEST(a_size_that_the_edit_did_not_give_is_another_writers),
            TEST(foreign_bytes_in_any_journaled_sector_are_another_writers),
            TEST(contents_that_changed_places_are_another_writers),
            TEST(a_switch_with_any_other_sector_written_since_is_superseded),
            TEST(a_switch_over_old_contents_is_superseded),
            TEST(a_recovery_that_was_interrupted_is_resumed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
