/* SPDX-License-Identifier: MIT */
/*
 * Rollback gives the old file back, from every state that an edit can be in, however
 * often it is interrupted; and touches nothing that is not its own.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/journal.h"
#include "memory_image.h"
#include "scratch.h"

#define OLD_SIZE   (512u * 100u - 100u) /* ends inside a sector */
#define FINAL_SIZE (512u * 400u)
#define MAX_EDITS  64u

/* What the edit writes, kept so that any part of it can be applied. */
struct edit {
        uint32_t step;
        uint64_t sector;
        uint64_t sectors;
        uint8_t *content;
};

struct fixture {
        struct scratch scratch;
        struct journal_place place;
        struct journal *journal;
        struct memory_image *image;
        struct memory_file *before;
        struct memory_file *planned; /* as after all edits so far */
        struct edit edits[MAX_EDITS];
        size_t edit_count;
        unsigned int seed;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        scratch_create(&f->scratch);
        scratch_place(&f->scratch, "j", &f->place);
        f->journal = scratch_journal(&f->place, "an edit");
        f->image = memory_image_create(OLD_SIZE, 5);
        f->before = malloc(sizeof *f->before);
        f->planned = malloc(sizeof *f->planned);
        *f->before = f->image->cache;
        *f->planned = f->image->cache;
        f->seed = 9;
        assert_int_equal(journal_begin(f->journal, OLD_SIZE, FINAL_SIZE), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < f->edit_count; i++)
                free(f->edits[i].content);
        journal_close(f->journal);
        journal_place_release(&f->place);
        scratch_remove(&f->scratch);
        memory_image_free(f->image);
        free(f->before);
        free(f->planned);
        free(f);
        return 0;
}

static void journal_edit(struct fixture *f, const struct edit *edit, enum journal_old old)
{
        uint64_t *hashes = malloc(edit->sectors * sizeof *hashes);
        struct journal_change change = {
            .step = edit->step,
            .behind_end = old == JOURNAL_OLD_BEHIND_END,
            .offset = edit->sector * 512,
            .length = edit->sectors * 512,
            .old_bytes =
                old == JOURNAL_OLD_BYTES ? f->planned->bytes + edit->sector * 512 : NULL,
            .new_hashes = hashes,
        };

        for (uint64_t i = 0; i < edit->sectors; i++)
                hashes[i] = journal_hash(edit->content + i * 512, 512);
        assert_int_equal(journal_add(f->journal, &change), 0);
        free(hashes);
}

/* Plan and journal an edit with random content. */
static void plan(struct fixture *f, uint32_t step, uint64_t sector, uint64_t sectors,
                 enum journal_old old)
{
        struct edit *edit = &f->edits[f->edit_count++];

        assert_true(f->edit_count <= MAX_EDITS);
        edit->step = step;
        edit->sector = sector;
        edit->sectors = sectors;
        edit->content = malloc(sectors * 512);
        for (uint64_t i = 0; i < sectors * 512; i++)
                edit->content[i] = (uint8_t)rand_r(&f->seed);
        journal_edit(f, edit, old);
        memcpy(f->planned->bytes + sector * 512, edit->content, sectors * 512);
}

static void close_batch(struct fixture *f)
{
        assert_int_equal(journal_close_batch(f->journal), 0);
}

/* As the host does it: grow first, then write the sectors that `wanted` chooses (of the
 * edits' sectors, in order), with a sync where a step ends. */
static void apply(struct fixture *f, bool (*wanted)(struct fixture *f, size_t number))
{
        struct image_io io = memory_image_io(f->image);
        size_t number = 0;

        io.resize(io.context, FINAL_SIZE);
        for (size_t e = 0; e < f->edit_count; e++) {
                const struct edit *edit = &f->edits[e];

                if (e > 0 && f->edits[e - 1].step != edit->step)
                        io.sync(io.context);
                for (uint64_t i = 0; i < edit->sectors; i++)
                        if (wanted(f, number++))
                                io.write(io.context, (edit->sector + i) * 512,
                                         edit->content + i * 512, 512);
        }
        memory_image_restart(f->image);
}

static bool everything(struct fixture *f, size_t number)
{
        (void)f;
        (void)number;
        return true;
}

static void expect_old_image(struct fixture *f)
{
        struct image_io io = memory_image_io(f->image);

        assert_int_equal(journal_rollback(f->journal, &io), 0);
        assert_true(memory_image_disk_is(f->image, f->before));
}

/* Zeros inside the image, for JOURNAL_OLD_ZEROS. */
static void clear_sectors(struct fixture *f, uint64_t sector, uint64_t sectors)
{
        struct memory_file *files[] = {&f->image->cache, &f->image->disk, f->before,
                                       f->planned};

        for (size_t i = 0; i < 4; i++)
                memset(files[i]->bytes + sector * 512, 0, sectors * 512);
}

/* Every kind of old content, several batches, sectors that are changed again and again.
 */
static void plan_a_rich_edit(struct fixture *f)
{
        clear_sectors(f, 20, 4);
        plan(f, 1, 100, 200, JOURNAL_OLD_BEHIND_END);
        plan(f, 1, 20, 4, JOURNAL_OLD_ZEROS);
        plan(f, 1, 98, 2, JOURNAL_OLD_BYTES); /* the last one holds the old end */
        close_batch(f);
        plan(f, 1, 30, 66, JOURNAL_OLD_BYTES);
        plan(f, 2, 40, 3, JOURNAL_OLD_BYTES);
        close_batch(f);
        plan(f, 3, 0, 1, JOURNAL_OLD_BYTES);
        plan(f, 3, 41, 1, JOURNAL_OLD_BYTES);
        plan(f, 4, 0, 2, JOURNAL_OLD_BYTES);
        plan(f, 4, 110, 3, JOURNAL_OLD_BYTES); /* fresh, then changed */
        plan(f, 5, 21, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
}

static void a_whole_edit_is_undone_byte_for_byte(void **state)
{
        struct fixture *f = *state;

        plan_a_rich_edit(f);
        apply(f, everything);
        expect_old_image(f);
        expect_old_image(f); /* and nothing happens the second time */
}

static size_t prefix_length;

static bool in_prefix(struct fixture *f, size_t number)
{
        (void)f;
        return number < prefix_length;
}

static size_t sector_count(const struct fixture *f)
{
        size_t count = 0;

        for (size_t i = 0; i < f->edit_count; i++)
                count += f->edits[i].sectors;
        return count;
}

static void every_prefix_of_an_edit_is_undone(void **state)
{
        struct fixture *f = *state;

        plan_a_rich_edit(f);
        for (prefix_length = 0; prefix_length <= sector_count(f); prefix_length += 3) {
                apply(f, in_prefix);
                expect_old_image(f);
        }
}

/* All steps before one are complete, of that one any sectors, of later ones none. */
static uint32_t torn_step;

static bool torn(struct fixture *f, size_t number)
{
        for (size_t i = 0; i < f->edit_count; i++) {
                if (number < f->edits[i].sectors)
                        return f->edits[i].step < torn_step ||
                               (f->edits[i].step == torn_step && rand_r(&f->seed) % 2);
                number -= f->edits[i].sectors;
        }
        return false;
}

static void every_torn_step_is_undone(void **state)
{
        struct fixture *f = *state;

        plan_a_rich_edit(f);
        for (unsigned int round = 0; round < 100; round++) {
                torn_step = 1 + round % 5;
                apply(f, torn);
                expect_old_image(f);
        }
}

static void what_was_never_applied_is_not_written(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        plan_a_rich_edit(f);
        memory_image_restart(f->image);
        assert_int_equal(journal_rollback(f->journal, &io), 0);
        assert_int_equal(f->image->writes, 0);
}

static void a_batch_that_was_not_closed_is_not_undone(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        plan(f, 1, 3, 1, JOURNAL_OLD_BYTES);
        apply(f, everything); /* against the rules: nothing was closed */
        assert_int_equal(journal_rollback(f->journal, &io), 0);
        assert_int_equal(f->image->writes, 0);
}

static void steps_are_undone_in_reverse_with_a_sync_between(void **state)
{
        struct fixture *f = *state;
        char expected[200];

        plan(f, 1, 100, 1, JOURNAL_OLD_BEHIND_END);
        plan(f, 1, 5, 2, JOURNAL_OLD_BYTES);
        plan(f, 2, 0, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        plan(f, 3, 9, 1, JOURNAL_OLD_BYTES);
        plan(f, 3, 7, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        apply(f, everything);
        expect_old_image(f);
        snprintf(expected, sizeof expected, "S W7+1 W9+1 S W0+1 S W5+2 S T%u S ",
                 OLD_SIZE);
        assert_string_equal(f->image->log, expected);
}

/* Sector 8 is changed in steps 2 and 3.  Step 1 came through only in part, so step 2's
 * content of sector 8 must not appear on the way back. */
static void no_later_state_of_a_sector_appears_on_the_way_back(void **state)
{
        struct fixture *f = *state;

        plan(f, 1, 5, 2, JOURNAL_OLD_BYTES);
        plan(f, 2, 8, 1, JOURNAL_OLD_BYTES);
        plan(f, 3, 8, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        prefix_length = 1;
        apply(f, in_prefix);
        expect_old_image(f);
        assert_null(strstr(f->image->log, "W8"));
}

static void foreign_content_is_never_overwritten(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);
        struct memory_file *as_applied = malloc(sizeof *as_applied);

        plan_a_rich_edit(f);
        apply(f, everything);
        io.sync(io.context);
        *as_applied = f->image->cache;
        for (size_t e = 0; e < f->edit_count; e++) {
                uint64_t byte = f->edits[e].sector * 512 + (e * 97) % 512;

                f->image->cache.bytes[byte] ^= 1;
                memory_image_restart(f->image);
                assert_int_equal(journal_rollback(f->journal, &io), -ESTALE);
                assert_int_equal(f->image->writes, 0);
                f->image->cache.bytes[byte] ^= 1;
        }
        expect_old_image(f);
        free(as_applied);
}

static void a_foreign_size_is_refused(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        plan_a_rich_edit(f);
        apply(f, everything);
        f->image->cache.size = FINAL_SIZE + 1;
        assert_int_equal(journal_rollback(f->journal, &io), -ESTALE);
        f->image->cache.size = OLD_SIZE - 1;
        assert_int_equal(journal_rollback(f->journal, &io), -ESTALE);
        assert_int_equal(f->image->writes, 0);
}

/* Between the old end and what the edit added: in the rest of the old file's last sector,
 * or behind it. */
static void foreign_content_behind_the_old_end_is_never_cut_off(void **state)
{
        static const uint64_t places[] = {OLD_SIZE, 512 * 100 - 1, 512 * 100,
                                          512 * 128 - 1};
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);
        const uint8_t foreign = 1;

        plan(f, 1, 128, 4, JOURNAL_OLD_BEHIND_END);
        plan(f, 2, 3, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        apply(f, everything);
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
                const uint8_t nothing = 0;

                io.write(io.context, places[i], &foreign, 1);
                assert_int_equal(journal_rollback(f->journal, &io), -ESTALE);
                assert_int_equal(f->image->cache.size, FINAL_SIZE);
                assert_int_equal(f->image->cache.bytes[places[i]], foreign);
                io.write(io.context, places[i], &nothing, 1);
        }
        expect_old_image(f);
}

/* More sectors with a content of another record than the table holds. */
static void many_sectors_changed_twice_are_all_explained(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        journal_remove(f->journal);
        assert_int_equal(journal_begin(f->journal, OLD_SIZE, 512 * 4000), 0);
        plan(f, 1, 100, 3900, JOURNAL_OLD_BEHIND_END);
        plan(f, 2, 100, 3900, JOURNAL_OLD_BYTES);
        plan(f, 3, 100, 3900, JOURNAL_OLD_BYTES);
        plan(f, 3, 7, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        apply(f, everything);
        /* The walk through the other records does not end the look at the rest. */
        f->image->cache.bytes[7 * 512] ^= 1;
        assert_int_equal(journal_rollback(f->journal, &io), -ESTALE);
        assert_int_equal(f->image->writes, 0);
        f->image->cache.bytes[7 * 512] ^= 1;
        expect_old_image(f);
}

/* The old image may have several links in time, but one disk: whatever call fails, once
 * or for good, a later try gives the old file. */
static void fail_every_call(struct fixture *f, bool for_ever)
{
        struct image_io io = memory_image_io(f->image);
        unsigned int call = 0;
        int error;

        do {
                call++;
                torn_step = 1 + call % 5;
                apply(f, call % 2 ? everything : torn);
                f->image->fail_call = call;
                f->image->fail_for_ever = for_ever;
                error = journal_rollback(f->journal, &io);
                if (f->image->calls < call)
                        assert_int_equal(error, 0);
                if (error) {
                        assert_int_equal(error, -EIO);
                        f->image->fail_call = 0;
                        assert_int_equal(journal_rollback(f->journal, &io), 0);
                }
                assert_true(memory_image_disk_is(f->image, f->before));
        } while (f->image->calls >= call);
        assert_true(call > 40);
}

static void any_failed_call_is_made_good_by_the_next_try(void **state)
{
        plan_a_rich_edit(*state);
        fail_every_call(*state, false);
}

static void failures_that_stay_are_made_good_when_they_end(void **state)
{
        plan_a_rich_edit(*state);
        fail_every_call(*state, true);
}

/* Two failures in a row, at every pair of calls: interrupted recovery of a recovery. */
static void two_failed_tries_are_made_good_by_the_third(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        plan(f, 1, 100, 2, JOURNAL_OLD_BEHIND_END);
        plan(f, 1, 5, 2, JOURNAL_OLD_BYTES);
        plan(f, 2, 5, 1, JOURNAL_OLD_BYTES);
        close_batch(f);
        for (unsigned int first = 1; first < 30; first++) {
                for (unsigned int second = 1; second < 30; second++) {
                        apply(f, everything);
                        f->image->fail_call = first;
                        journal_rollback(f->journal, &io);
                        memory_image_restart(f->image);
                        f->image->fail_call = second;
                        journal_rollback(f->journal, &io);
                        memory_image_restart(f->image);
                        expect_old_image(f);
                }
        }
}

/* The edit's own sync failed: the cache has the new content, the disk has not, and no
 * page is dirty. */
static void an_edit_whose_sync_failed_is_undone_on_the_disk(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);

        plan_a_rich_edit(f);
        apply(f, everything);
        f->image->fail_call = 1;
        assert_int_equal(io.sync(io.context), -EIO);
        memory_image_restart(f->image);
        expect_old_image(f);
}

static void a_damaged_journal_is_not_used(void **state)
{
        struct fixture *f = *state;
        struct image_io io = memory_image_io(f->image);
        uint8_t byte = 0x77;
        int fd;

        plan_a_rich_edit(f);
        apply(f, everything);
        fd = scratch_open(&f->place);
        assert_int_equal(pwrite(fd, &byte, 1, 1024 + 600), 1);
        close(fd);
        assert_int_equal(journal_rollback(f->journal, &io), -EBADMSG);
        assert_int_equal(f->image->writes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_whole_edit_is_undone_byte_for_byte),
            TEST(every_prefix_of_an_edit_is_undone),
            TEST(every_torn_step_is_undone),
            TEST(what_was_never_applied_is_not_written),
            TEST(a_batch_that_was_not_closed_is_not_undone),
            TEST(steps_are_undone_in_reverse_with_a_sync_between),
            TEST(no_later_state_of_a_sector_appears_on_the_way_back),
            TEST(foreign_content_is_never_overwritten),
            TEST(a_foreign_size_is_refused),
            TEST(foreign_content_behind_the_old_end_is_never_cut_off),
            TEST(many_sectors_changed_twice_are_all_explained),
            TEST(any_failed_call_is_made_good_by_the_next_try),
            TEST(failures_that_stay_are_made_good_when_they_end),
            TEST(two_failed_tries_are_made_good_by_the_third),
            TEST(an_edit_whose_sync_failed_is_undone_on_the_disk),
            TEST(a_damaged_journal_is_not_used),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
