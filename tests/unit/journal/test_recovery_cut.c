/* SPDX-License-Identifier: MIT */
/*
 * Recovery itself cut off before every change that it makes, twice in a row, then run to
 * its end: the disk holds the old file to the byte (invariants 2 and 3), and on the way
 * nothing that the edit itself could not have left (invariants 4 and 7).
 */
#include "cmocka_all.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_world.h"
#include "scratch.h"

#define CUTS        2
#define ALL_SUBSETS 5u /* pending changes of which every subset is tried */
#define SAMPLES     6u

static unsigned int edits = 8; /* or what the command line says */

#define SEEN_SLOTS (1u << 20)

struct explorer {
        struct scratch scratch;
        struct journal_place place;
        struct edit edit;
        unsigned int seed;
        bool disk_may_lag; /* a sync failed: the disk is older than the image looks */

        uint64_t seen[SEEN_SLOTS]; /* hashes of worlds and cuts left, of one edit */
        unsigned long long states; /* distinct ones */
        unsigned long long runs;   /* of recovery */
        unsigned long long complete;
};

static int set_up(void **state)
{
        struct explorer *x = calloc(1, sizeof *x);

        scratch_create_in(&x->scratch, "/dev/shm");
        scratch_place(&x->scratch, "disk.instar-journal", &x->place);
        *state = x;
        return 0;
}

static int tear_down(void **state)
{
        struct explorer *x = *state;

        journal_place_release(&x->place);
        scratch_remove(&x->scratch);
        free(x);
        return 0;
}

/* ---- what was seen --------------------------------------------------------------- */

/* False the first time. */
static bool seen_before(struct explorer *x, uint64_t hash)
{
        size_t slot = hash % SEEN_SLOTS;

        if (hash == 0)
                hash = 1;
        for (; x->seen[slot] != hash; slot = (slot + 1) % SEEN_SLOTS)
                if (x->seen[slot] == 0) {
                        x->seen[slot] = hash;
                        return false;
                }
        return true;
}

/* ---- judging ----------------------------------------------------------------------- */

static bool has_switch(const struct edit *edit, const struct power_file *file)
{
        const struct edit_change *last = &edit->changes[edit->count - 1];

        return memcmp(file->bytes + last->sector * 512, last->content, 512) == 0;
}

/* A recovery that nothing disturbed has given the old file, or left the new one. */
static void expect_the_end(struct explorer *x, const struct crash_world *start,
                           struct crash_world *world,
                           const struct crash_recovery *recovery)
{
        bool complete = has_switch(&x->edit, &start->image.cache);

        assert_int_equal(recovery->error, 0);
        if (recovery->was_there)
                assert_int_equal(recovery->verdict, complete ? JOURNAL_VERDICT_COMPLETE
                                                             : JOURNAL_VERDICT_UNDO);
        assert_true(world->unlinked);
        assert_false(world->image.lengthened);
        assert_int_equal(world->image.pending_count, 0);
        if (complete) {
                assert_true(power_files_equal(&world->image.cache, &start->image.cache));
                assert_true(has_switch(&x->edit, &world->image.disk));
                x->complete++;
                return;
        }
        assert_true(power_files_equal(&world->image.disk, &x->edit.before));
        assert_true(power_files_equal(&world->image.cache, &x->edit.before));
}

/* ---- exploring ------------------------------------------------------------------- */

static void explore(struct explorer *x, const struct crash_world *start, int cuts_left);

static void lose_power(struct explorer *x, const struct crash_world *crashed,
                       const uint8_t *chosen, int cuts_left)
{
        struct crash_world *world = malloc(sizeof *world);

        crash_world_copy(world, crashed);
        crash_world_lose_power(world, chosen);
        if (!x->disk_may_lag)
                assert_true(edit_went_through(&x->edit, &world->image.disk));
        explore(x, world, cuts_left);
        free(world);
}

/* Every subset of what was not synced, or where they are many none, all, and some. */
static void lose_power_in_many_ways(struct explorer *x, const struct crash_world *crashed,
                                    int cuts_left)
{
        size_t pending = crash_world_pending(crashed);
        uint8_t chosen[POWER_PENDING / 8 + 1];

        if (pending <= ALL_SUBSETS) {
                for (chosen[0] = 0; chosen[0] < 1u << pending; chosen[0]++)
                        lose_power(x, crashed, chosen, cuts_left);
                return;
        }
        for (unsigned int sample = 0; sample < SAMPLES; sample++) {
                for (size_t i = 0; i < sizeof chosen; i++)
                        chosen[i] = (uint8_t)rand_r(&x->seed);
                if (sample < 2)
                        memset(chosen, sample ? 0xff : 0, sizeof chosen);
                lose_power(x, crashed, chosen, cuts_left);
        }
}

static void cut_everywhere(struct explorer *x, const struct crash_world *start,
                           unsigned int changes, int cuts_left)
{
        struct crash_world *world = malloc(sizeof *world);

        for (unsigned int limit = 0; limit < changes; limit++) {
                crash_world_copy(world, start);
                (void)crash_world_recover(world, limit);
                x->runs++;
                lose_power_in_many_ways(x, world, cuts_left - 1);
                crash_world_keep_power(world);
                explore(x, world, cuts_left - 1);
        }
        free(world);
}

static void explore(struct explorer *x, const struct crash_world *start, int cuts_left)
{
        uint64_t hash = crash_world_hash(start);
        struct crash_recovery recovery;
        struct crash_world *world;

        if (start->unlinked || seen_before(x, hash + (uint64_t)cuts_left))
                return;
        x->states++;
        assert_true(edit_went_through(&x->edit, &start->image.cache));
        world = malloc(sizeof *world);
        crash_world_copy(world, start);
        recovery = crash_world_recover(world, CRASH_WHOLE);
        x->runs++;
        expect_the_end(x, start, world, &recovery);
        free(world);
        if (cuts_left)
                cut_everywhere(x, start, recovery.changes, cuts_left);
}

/* ---- edits ----------------------------------------------------------------------------
 */

static uint64_t any(struct explorer *x, uint64_t first, uint64_t count)
{
        return first + (uint64_t)rand_r(&x->seed) % count;
}

#define ZEROS_FIRST 4u /* sectors of zeros in every old file */
#define ZEROS_COUNT 4u

static bool is_zero(const uint8_t *bytes, size_t length)
{
        return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* A change of what was there, of zeros, or of what lies behind the old end. */
static void plan_any(struct explorer *x, uint32_t step, uint64_t old_sectors,
                     uint64_t *fresh)
{
        uint64_t final_sectors = x->edit.final_size / 512;
        uint64_t sectors = any(x, 1, 3);
        uint64_t sector = any(x, 0, *fresh - sectors + 1);

        if (any(x, 0, 3) == 0 && *fresh + sectors <= final_sectors) {
                edit_plan(&x->edit, step, *fresh, sectors, JOURNAL_OLD_BEHIND_END);
                *fresh += sectors;
                return;
        }
        if (any(x, 0, 3) == 0)
                sector = any(x, ZEROS_FIRST, ZEROS_COUNT - 1);
        if (sector + sectors <= old_sectors &&
            is_zero(x->edit.after.bytes + sector * 512, sectors * 512))
                edit_plan(&x->edit, step, sector, sectors, JOURNAL_OLD_ZEROS);
        else
                edit_plan(&x->edit, step, sector, sectors, JOURNAL_OLD_BYTES);
}

/* The old file ends anywhere in a sector, whether it grows or not. */
static void make_edit(struct explorer *x)
{
        uint64_t old_sectors = any(x, 10, 10);
        uint64_t growth = any(x, 0, 3) ? any(x, 1, 16) : 0;
        uint64_t cut = any(x, 0, 2) ? any(x, 1, 511) : 0;
        uint32_t steps = (uint32_t)any(x, 1, 3);
        uint64_t fresh = old_sectors;
        struct power_image image;

        power_image_fill(&image, old_sectors * 512 - cut, x->seed);
        memset(image.cache.bytes + ZEROS_FIRST * 512, 0, ZEROS_COUNT * 512);
        edit_begin(&x->edit, &x->place, &image.cache,
                   growth ? (old_sectors + growth) * 512 : image.cache.size, x->seed);
        for (uint32_t step = 1; step <= steps; step++) {
                for (uint64_t changes = any(x, 1, 3); changes; changes--) {
                        plan_any(x, step, old_sectors, &fresh);
                        if (x->edit.batches < 2 && any(x, 0, 4) == 0)
                                edit_close_batch(&x->edit);
                }
        }
        edit_plan_switch(&x->edit, steps + 1, any(x, 0, old_sectors));
        edit_close_batch(&x->edit);
        edit_abandon(&x->edit);
        memset(x->seen, 0, sizeof x->seen);
}

/* ---- tests
 * ------------------------------------------------------------------------------ */

static void explore_crashes_of_the_edit(struct explorer *x)
{
        struct crash_world *world = malloc(sizeof *world);

        for (uint32_t step = 1; step <= x->edit.steps; step++) {
                size_t sectors = edit_step_sectors(&x->edit, step);

                for (size_t written = 0; written <= sectors; written++) {
                        crash_world_begin(world, &x->edit, step, written);
                        explore(x, world, CUTS);
                        if (written == sectors)
                                lose_power_in_many_ways(x, world, CUTS);
                }
        }
        free(world);
}

static void report(const struct explorer *x)
{
        print_message("%u edits, %llu distinct states, %llu recoveries, %llu of a "
                      "complete edit: 0 failures\n",
                      edits, x->states, x->runs, x->complete);
}

static void recovery_cut_twice_anywhere_gives_the_old_file(void **state)
{
        struct explorer *x = *state;

        for (unsigned int number = 1; number <= edits; number++) {
                x->seed = number;
                make_edit(x);
                explore_crashes_of_the_edit(x);
                edit_release(&x->edit);
        }
        assert_true(x->states > 500 * edits && x->complete > edits);
        report(x);
}

/* The kernel calls pages clean that never reached the disk, and the process that was
 * told so is gone. */
static void a_sync_that_failed_before_the_crash_does_no_harm(void **state)
{
        struct explorer *x = *state;
        struct crash_world *world = malloc(sizeof *world);

        x->disk_may_lag = true;
        for (unsigned int number = 1; number <= edits; number++) {
                x->seed = number;
                make_edit(x);
                for (uint32_t step = 1; step <= x->edit.steps; step++) {
                        crash_world_begin_with_a_failed_sync(world, &x->edit, step);
                        explore(x, world, CUTS);
                }
                edit_release(&x->edit);
        }
        free(world);
        report(x);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(recovery_cut_twice_anywhere_gives_the_old_file),
            TEST(a_sync_that_failed_before_the_crash_does_no_harm),
        };

        if (argc > 1)
                edits = (unsigned int)strtoul(argv[1], NULL, 10);
        /* Each run of recovery takes a large block, and gives it back. */
        mallopt(M_MMAP_THRESHOLD, 64 << 20);
        mallopt(M_TRIM_THRESHOLD, 64 << 20);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
