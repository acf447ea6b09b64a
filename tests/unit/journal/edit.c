/* SPDX-License-Identifier: MIT */
#include "edit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static void keep_journal(struct edit *edit)
{
        struct edit_journal *kept = &edit->journals[edit->batches];
        int fd = scratch_open(edit->place);
        struct stat status;
        ssize_t done;
        int error = fstat(fd, &status);

        assert(error == 0);
        (void)error;
        kept->size = (size_t)status.st_size;
        kept->bytes = malloc(kept->size + 1);
        done = read(fd, kept->bytes, kept->size);
        assert(done == status.st_size);
        (void)done;
        close(fd);
}

void edit_begin(struct edit *edit, const struct journal_place *place,
                const struct power_file *before, uint64_t final_size, unsigned int seed)
{
        int error;

        memset(edit, 0, sizeof *edit);
        edit->final_size = final_size;
        edit->seed = ~seed; /* not the numbers that may have filled the image */
        edit->before = *before;
        edit->after = *before;
        edit->after.size = final_size;
        edit->place = place;
        edit->journal = scratch_journal(place, "an edit");
        error = journal_begin(edit->journal, before->size, final_size);
        assert(error == 0);
        (void)error;
        keep_journal(edit);
}

static void journal_it(struct edit *edit, const struct edit_change *planned)
{
        uint64_t hashes[POWER_SECTORS];
        struct journal_change change = {
            .step = planned->step,
            .is_switch = planned->is_switch,
            .behind_end = planned->old == JOURNAL_OLD_BEHIND_END,
            .offset = planned->sector * 512,
            .length = planned->sectors * 512,
            .old_bytes = planned->old == JOURNAL_OLD_BYTES
                             ? edit->after.bytes + planned->sector * 512
                             : NULL,
            .new_hashes = hashes,
        };
        int error;

        for (uint64_t i = 0; i < planned->sectors; i++)
                hashes[i] = journal_hash(planned->content + i * 512, 512);
        error = journal_add(edit->journal, &change);
        assert(error == 0);
        (void)error;
}

/*
 * Random, and zeros behind the final size.  In the first step the new size may be lost
 * while the bytes are there, so that it changes none before the old end in the sector
 * that holds it (slack of a directory, in fact).
 */
static void fill_content(struct edit *edit, struct edit_change *change)
{
        uint64_t start = change->sector * 512;
        uint64_t old_end = edit->before.size;

        for (uint64_t i = 0; i < change->sectors * 512; i++) {
                bool kept = change->step == 1 && edit->final_size > old_end &&
                            start + i < old_end && start + i >= old_end / 512 * 512;

                if (kept)
                        change->content[i] = edit->after.bytes[start + i];
                else if (start + i < edit->final_size && !edit->zeros)
                        change->content[i] = (uint8_t)rand_r(&edit->seed);
        }
}

static void plan(struct edit *edit, uint32_t step, uint64_t sector, uint64_t sectors,
                 enum journal_old old, bool is_switch)
{
        struct edit_change *change = &edit->changes[edit->count++];
        uint64_t length = sectors * 512;

        assert(edit->count <= EDIT_CHANGES_MAX && sectors <= POWER_SECTORS);
        change->step = step;
        change->batch = edit->batches + 1;
        change->is_switch = is_switch;
        change->old = old;
        change->sector = sector;
        change->sectors = sectors;
        fill_content(edit, change);
        journal_it(edit, change);
        memcpy(edit->after.bytes + sector * 512, change->content, length);
        edit->steps = step;
}

void edit_plan(struct edit *edit, uint32_t step, uint64_t sector, uint64_t sectors,
               enum journal_old old)
{
        plan(edit, step, sector, sectors, old, false);
}

void edit_plan_switch(struct edit *edit, uint32_t step, uint64_t sector)
{
        plan(edit, step, sector, 1, JOURNAL_OLD_BYTES, true);
}

void edit_plan_zero_switch(struct edit *edit, uint32_t step, uint64_t sector)
{
        edit->zeros = true;
        edit_plan_switch(edit, step, sector);
        edit->zeros = false;
}

void edit_close_batch(struct edit *edit)
{
        int error = journal_close_batch(edit->journal);

        assert(error == 0 && edit->batches < EDIT_BATCHES_MAX);
        (void)error;
        edit->batches++;
        keep_journal(edit);
}

void edit_abandon(struct edit *edit)
{
        journal_close(edit->journal);
        edit->journal = NULL;
}

void edit_release(struct edit *edit)
{
        edit_abandon(edit);
        for (size_t i = 0; i <= EDIT_BATCHES_MAX; i++)
                free(edit->journals[i].bytes);
}

/* The host writes no byte behind the final size. */
static void write_sector(const struct edit *edit, const struct image_io *io,
                         const struct edit_change *change, uint64_t i)
{
        uint64_t offset = (change->sector + i) * 512;
        uint64_t length = edit->final_size - offset;

        io->write(io->context, offset, change->content + i * 512,
                  length < 512 ? (size_t)length : 512);
}

void edit_apply_step(const struct edit *edit, const struct image_io *io, uint32_t step,
                     size_t limit)
{
        if (step == 1 && edit->final_size != edit->before.size)
                io->resize(io->context, edit->final_size);
        for (size_t c = 0; c < edit->count; c++)
                for (uint64_t i = 0; i < edit->changes[c].sectors; i++) {
                        if (edit->changes[c].step != step || limit == 0)
                                continue;
                        write_sector(edit, io, &edit->changes[c], i);
                        limit--;
                }
}

void edit_apply_steps(const struct edit *edit, const struct image_io *io, uint32_t last)
{
        for (uint32_t step = 1; step <= last; step++) {
                edit_apply_step(edit, io, step, SIZE_MAX);
                io->sync(io->context);
        }
}

size_t edit_step_sectors(const struct edit *edit, uint32_t step)
{
        size_t count = 0;

        for (size_t c = 0; c < edit->count; c++)
                if (edit->changes[c].step == step)
                        count += edit->changes[c].sectors;
        return count;
}

uint32_t edit_step_batch(const struct edit *edit, uint32_t step)
{
        uint32_t batch = 0;

        for (size_t c = 0; c < edit->count; c++)
                if (edit->changes[c].step <= step)
                        batch = edit->changes[c].batch;
        return batch;
}

/* ---- judging a file ---------------------------------------------------------- */

/* A sector's contents in the order of the changes, the old one first, and the step that
 * gives each. */
struct contents {
        size_t count;
        const uint8_t *bytes[EDIT_CHANGES_MAX + 1];
        uint32_t step[EDIT_CHANGES_MAX + 1];
};

static void contents_of(const struct edit *edit, uint64_t sector, struct contents *all)
{
        all->count = 1;
        all->bytes[0] = edit->before.bytes + sector * 512;
        all->step[0] = 0;
        for (size_t c = 0; c < edit->count; c++) {
                const struct edit_change *change = &edit->changes[c];

                if (sector < change->sector || sector >= change->sector + change->sectors)
                        continue;
                all->bytes[all->count] =
                    change->content + (sector - change->sector) * 512;
                all->step[all->count++] = change->step;
        }
}

/* `step` is torn: the content is the last one before it, or one that it gives. */
static bool fits_step(const struct contents *all, const uint8_t *content, uint32_t step)
{
        for (size_t i = 0; i < all->count; i++) {
                bool last = i + 1 == all->count || all->step[i + 1] >= step;

                if (all->step[i] <= step && (all->step[i] == step || last) &&
                    memcmp(all->bytes[i], content, 512) == 0)
                        return true;
        }
        return false;
}

static bool is_any(const struct contents *all, const uint8_t *content)
{
        for (size_t i = 0; i < all->count; i++)
                if (memcmp(all->bytes[i], content, 512) == 0)
                        return true;
        return false;
}

static bool fits(const struct edit *edit, const struct power_file *file, uint32_t step)
{
        for (uint64_t sector = 0; sector < POWER_SECTORS; sector++) {
                const uint8_t *content = file->bytes + sector * 512;
                bool inside = sector * 512 < edit->before.size;
                struct contents all;

                contents_of(edit, sector, &all);
                if (!(inside ? fits_step(&all, content, step) : is_any(&all, content)))
                        return false;
        }
        return true;
}

bool edit_went_through(const struct edit *edit, const struct power_file *file)
{
        if (file->size < edit->before.size || file->size > edit->final_size)
                return false;
        for (uint32_t step = 1; step <= edit->steps; step++)
                if (fits(edit, file, step))
                        return true;
        return false;
}
