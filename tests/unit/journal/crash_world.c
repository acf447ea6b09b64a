/* SPDX-License-Identifier: MIT */
#include "crash_world.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "scratch.h"
#include "system_calls.h"

void crash_world_copy(struct crash_world *to, const struct crash_world *from)
{
        memcpy(to, from,
               offsetof(struct crash_world, image.pending) +
                   from->image.pending_count * sizeof from->image.pending[0]);
}

void crash_world_begin(struct crash_world *world, const struct edit *edit, uint32_t step,
                       size_t sectors)
{
        struct image_io io = power_image_io(&world->image);

        memset(world, 0, sizeof *world);
        world->edit = edit;
        world->image.cache = edit->before;
        world->image.disk = edit->before;
        world->journal = &edit->journals[edit_step_batch(edit, step)];
        edit_apply_steps(edit, &io, step - 1);
        edit_apply_step(edit, &io, step, sectors);
}

void crash_world_begin_with_a_failed_sync(struct crash_world *world,
                                          const struct edit *edit, uint32_t step)
{
        crash_world_begin(world, edit, step, SIZE_MAX);
        world->image.pending_count = 0;
}

/* ---- one run of recovery --------------------------------------------------------- */

struct run {
        struct crash_world *world;
        unsigned int limit;
        unsigned int changes;
        bool gone;
};

/* True where the process has been killed before this change. */
static bool is_gone(struct run *run)
{
        run->gone |= run->changes >= run->limit;
        run->changes += !run->gone;
        return run->gone;
}

static int before_image_call(void *context, enum power_call call)
{
        struct run *run = context;

        if (call == POWER_READ || call == POWER_SIZE)
                return run->gone ? POWER_GONE : 0;
        if (is_gone(run))
                return POWER_GONE;
        return 0;
}

static void see(struct crash_world *world, const struct system_call_made *made)
{
        switch (made->call) {
        case CALL_PWRITE: /* nothing of a journal is ever written again but sector 1 */
                assert(made->offset == 512 && made->length == 512);
                memcpy(world->new_ending, made->bytes, 512);
                world->ending_pending = true;
                break;
        case CALL_FDATASYNC:
                if (world->ending_pending)
                        memcpy(world->ending, world->new_ending, 512);
                world->ending_pending = false;
                break;
        case CALL_UNLINKAT:
                world->unlink_pending = true;
                break;
        case CALL_FSYNC:
                world->unlinked |= world->unlink_pending;
                world->unlink_pending = false;
                break;
        default:
                assert(!"no such call is expected");
        }
}

static int before_system_call(void *context, const struct system_call_made *made)
{
        struct run *run = context;

        if (made->call == CALL_PREAD)
                return run->gone ? EIO : 0;
        if (is_gone(run))
                return EIO;
        see(run->world, made);
        return 0;
}

static void put_journal(const struct crash_world *world)
{
        const struct journal_place *place = world->edit->place;
        int fd = openat(place->directory_fd, place->name,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ssize_t done = write(fd, world->journal->bytes, world->journal->size);

        assert(done == (ssize_t)world->journal->size);
        done = lseek(fd, 512, SEEK_SET);
        done = write(fd, world->ending, 512);
        assert(done == 512);
        (void)done;
        close(fd);
}

static void describe(struct journal_image *facts)
{
        memset(facts, 0, sizeof *facts);
        scratch_identity(&facts->identity);
        facts->owner = geteuid();
}

static void act(struct journal_found *found, struct run *run, const struct image_io *io,
                struct crash_recovery *result)
{
        run->world->image.before = before_image_call;
        run->world->image.context = run;
        system_calls_before = before_system_call;
        system_calls_context = run;
        if (result->was_there && result->verdict == JOURNAL_VERDICT_UNDO)
                result->error = journal_found_undo(found, io);
        else if (result->was_there && result->verdict == JOURNAL_VERDICT_COMPLETE)
                result->error = journal_found_complete(found, io);
        else if (!result->was_there)
                result->error = journal_found_remove(found);
        system_calls_before = NULL;
        run->world->image.before = NULL;
        result->changes = run->changes;
}

struct crash_recovery crash_world_recover(struct crash_world *world, unsigned int limit)
{
        struct run run = {.world = world, .limit = limit};
        struct image_io io = power_image_io(&world->image);
        struct crash_recovery result = {0};
        struct journal_found *found;
        struct journal_image facts;

        if (world->unlinked)
                return result;
        describe(&facts);
        put_journal(world);
        result.error =
            journal_found_open(world->edit->place->path, &facts, false, &found);
        assert(result.error == 0);
        result.was_there = found->state == JOURNAL_HOT;
        assert(result.was_there || found->state == JOURNAL_ENDED);
        if (result.was_there)
                result.error = journal_found_judge(found, &io, &result.verdict);
        if (!result.error)
                act(found, &run, &io, &result);
        journal_found_close(found);
        (void)unlink(world->edit->place->path);
        return result;
}

/* ---- the crash ----------------------------------------------------------------------
 */

size_t crash_world_pending(const struct crash_world *world)
{
        return world->image.pending_count + world->ending_pending + world->unlink_pending;
}

void crash_world_keep_power(struct crash_world *world)
{
        if (world->ending_pending)
                memcpy(world->ending, world->new_ending, 512);
        world->unlinked |= world->unlink_pending;
        world->ending_pending = false;
        world->unlink_pending = false;
}

void crash_world_lose_power(struct crash_world *world, const uint8_t *chosen)
{
        size_t next = world->image.pending_count;

        if (world->ending_pending) {
                world->ending_pending = chosen[next / 8] >> next % 8 & 1;
                next++;
        }
        if (world->unlink_pending)
                world->unlink_pending = chosen[next / 8] >> next % 8 & 1;
        power_image_lose_power(&world->image, chosen);
        crash_world_keep_power(world);
}

/* The mark's boot and time are left out. */
uint64_t crash_world_hash(const struct crash_world *world)
{
        uint64_t parts[7] = {
            journal_hash(&world->image.cache, sizeof world->image.cache),
            journal_hash(&world->image.disk, sizeof world->image.disk),
            world->image.pending_count,
            load_le32(world->ending + ENDING_KIND),
            world->unlinked,
            (uint64_t)(uintptr_t)world->journal,
        };

        for (size_t i = 0; i < world->image.pending_count; i++)
                parts[6] = parts[6] * 31 + journal_hash(&world->image.pending[i],
                                                        sizeof world->image.pending[i]);
        return journal_hash(parts, sizeof parts);
}
