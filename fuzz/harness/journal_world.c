/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/harness/tmpfs_directory.h"
#include "host/recovery/decide.h"
#include "journal/format.h"
#include "tests/unit/journal/system_calls.h"

#define NAME  "disk" JOURNAL_SUFFIX
#define OTHER "other"

static struct tmpfs_directory place = {.fd = -1};
static bool other_is_there;
static char path[TMPFS_DIRECTORY_MAX + sizeof NAME];

/* The recovery under way. */
static struct {
        struct journal_world *world;
        struct journal_how how;
        struct journal_answers answers;
        uint32_t image_calls;
        bool gone;
} run;

/* ---- the directory ---------------------------------------------------------------- */

static void must(bool done)
{
        if (done)
                return;
        perror("the harness itself");
        abort();
}

static void put_file(const struct journal_world *world)
{
        const struct journal_made *made = world->made;
        int fd = openat(place.fd, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        must(fd >= 0);
        must(pwrite(fd, made->bytes, made->length, 0) == (ssize_t)made->length);
        if (made->length >= JOURNAL_RECORDS_OFFSET &&
            memcmp(made->bytes + JOURNAL_ENDING_OFFSET, world->ending, 512) != 0)
                must(pwrite(fd, world->ending, 512, JOURNAL_ENDING_OFFSET) == 512);
        if (made->size != made->length)
                must(!ftruncate(fd, (off_t)made->size));
        if (world->input->file & JOURNAL_FILE_WRITABLE)
                must(!fchmod(fd, 0620));
        if (world->input->file & JOURNAL_FILE_LINKED)
                must(!linkat(place.fd, NAME, place.fd, OTHER, 0));
        other_is_there = world->input->file & JOURNAL_FILE_LINKED;
        close(fd);
}

static void remove_file(void)
{
        (void)unlinkat(place.fd, NAME, 0);
        if (other_is_there)
                (void)unlinkat(place.fd, OTHER, 0);
}

int journal_world_open(const struct journal_world *world)
{
        put_file(world);
        int fd = openat(place.fd, NAME, O_RDONLY | O_CLOEXEC);
        must(fd >= 0);
        return fd;
}

void journal_world_close(int fd)
{
        close(fd);
        remove_file();
}

/* ---- what recovery calls ---------------------------------------------------------- */

/* A change is about to be made: true if nobody is left to make it. */
static bool is_gone(void)
{
        if (!run.gone && run.world->changes == run.how.cut)
                run.gone = true;
        run.world->changes += !run.gone;
        return run.gone;
}

static int before_image_call(enum journal_disk_call call, bool *gone)
{
        *gone = call == JOURNAL_DISK_LOOK ? run.gone : is_gone();
        if (*gone)
                return -ESHUTDOWN;
        bool for_ever = run.world->input->state & JOURNAL_STATE_FAULTS;
        run.image_calls++;
        if (!run.how.fault || run.image_calls < run.how.fault ||
            (run.image_calls > run.how.fault && !for_ever))
                return 0;
        run.world->met_fault = true;
        return -EIO;
}

/* The file's sector 1 and its name are all that recovery changes. */
static void see(struct journal_world *world, const struct system_call_made *made)
{
        switch (made->call) {
        case CALL_PWRITE:
                must(made->offset == JOURNAL_ENDING_OFFSET && made->length == 512);
                memcpy(world->new_ending, made->bytes, 512);
                world->ending_unsynced = true;
                break;
        case CALL_FDATASYNC:
                if (world->ending_unsynced)
                        memcpy(world->ending, world->new_ending, 512);
                world->ending_unsynced = false;
                break;
        case CALL_UNLINKAT:
                world->unlink_unsynced = true;
                break;
        case CALL_FSYNC:
                world->is_there = world->is_there && !world->unlink_unsynced;
                world->unlink_unsynced = false;
                break;
        default:
                break;
        }
}

static int before_system_call(void *context, const struct system_call_made *made)
{
        (void)context;
        if (made->call == CALL_PREAD || made->call == CALL_OPENAT ||
            made->call == CALL_FCNTL)
                return run.gone ? EIO : 0;
        if (is_gone())
                return EIO;
        see(run.world, made);
        return 0;
}

static int prove(struct image *image, const struct abi_range *ranges, size_t count,
                 enum recovery_proof *proof)
{
        (void)image;
        must(count && ranges[0].length);
        *proof = run.answers.proof;
        return run.answers.proof_error;
}

static int check(struct image *image, enum recovery_soundness *soundness)
{
        (void)image;
        *soundness = run.answers.soundness;
        return run.answers.check_error;
}

static const struct recovery_examiner examiner = {.prove = prove, .check = check};

/* In place of host/image: the image is one in memory. */
struct image_io image_io(struct image *image)
{
        (void)image;
        return journal_disk_io(&run.world->disk);
}

int image_refresh_size(struct image *image)
{
        image->size = run.world->disk.seen.size;
        return 0;
}

struct journal_identity journal_world_identity(const struct journal_input *input)
{
        struct journal_identity identity = journal_made_identity;
        if (input->file & JOURNAL_FILE_OTHERS)
                identity.bytes[4]++;
        return identity;
}

/* ---- a recovery ------------------------------------------------------------------- */

static void decide(struct journal_world *world)
{
        struct image image = {.fd = -1};
        struct recovery recovery = {
            .image = &image,
            .facts = {.identity = journal_world_identity(world->input),
                      .owner = geteuid()},
            .dry_run = run.how.dry_run,
            .discard = world->input->file & JOURNAL_FILE_DISCARD,
            .examiner = &examiner,
        };
        struct journal_found *found;
        must(!journal_found_open(path, &recovery.facts, recovery.dry_run, &found));
        journal_disk_before = before_image_call;
        system_calls_before = before_system_call;
        recovery_decide(&recovery, found, &world->item);
        system_calls_before = NULL;
        journal_disk_before = NULL;
        journal_found_close(found);
}

static bool bytes_are_there(const struct journal_world *world, int fd)
{
        static uint8_t bytes[JOURNAL_INPUT_MAX_JOURNAL];
        const struct journal_made *made = world->made;
        uint64_t length = made->length < made->size ? made->length : made->size;
        struct stat status;
        if (fstat(fd, &status) || (uint64_t)status.st_size != made->size ||
            pread(fd, bytes, length, 0) != (ssize_t)length)
                return false;
        if (length >= JOURNAL_RECORDS_OFFSET)
                memcpy(bytes + JOURNAL_ENDING_OFFSET, made->bytes + JOURNAL_ENDING_OFFSET,
                       512);
        return !memcmp(bytes, made->bytes, length);
}

static void look_at_file(struct journal_world *world)
{
        const char *aside = world->item.new_path;
        int fd = openat(place.fd, NAME, O_RDONLY | O_CLOEXEC);
        must((fd >= 0) == (world->is_there && !world->unlink_unsynced && !aside));
        world->has_bytes = fd >= 0 && bytes_are_there(world, fd);
        if (fd >= 0)
                close(fd);
        if (!aside)
                return;
        fd = open(aside, O_RDONLY | O_CLOEXEC);
        world->is_set_aside = fd >= 0 && bytes_are_there(world, fd);
        world->is_there = false;
        if (fd >= 0)
                close(fd);
        unlink(aside);
        free(world->item.new_path);
        world->item.new_path = NULL;
}

/* The lock of a living writer; -1: there is none. */
static int be_busy(const struct journal_world *world)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (!(world->input->file & JOURNAL_FILE_BUSY))
                return -1;
        int fd = openat(place.fd, NAME, O_RDWR | O_CLOEXEC);
        must(fd >= 0 && !fcntl(fd, F_OFD_SETLK, &lock));
        return fd;
}

void journal_world_recover(struct journal_world *world, struct journal_how how)
{
        run.world = world;
        run.how = how;
        run.answers = journal_model_answers(world->input);
        run.image_calls = 0;
        run.gone = false;
        memset(&world->item, 0, sizeof world->item);
        world->changes = 0;
        world->met_fault = false;
        world->is_set_aside = false;
        if (!world->is_there)
                return;
        put_file(world);
        int fd = be_busy(world);
        decide(world);
        if (fd >= 0)
                close(fd);
        look_at_file(world);
        remove_file();
}

/* ---- what becomes of it ----------------------------------------------------------- */

void journal_world_start(struct journal_world *world, const struct journal_input *input,
                         const struct journal_made *made)
{
        if (place.fd < 0) {
                tmpfs_directory_make(&place);
                snprintf(path, sizeof path, "%s/%s", place.path, NAME);
        }
        world->input = input;
        world->made = made;
        world->is_there = true;
        world->ending_unsynced = false;
        world->unlink_unsynced = false;
        memset(world->ending, 0, sizeof world->ending);
        if (made->length >= JOURNAL_RECORDS_OFFSET)
                memcpy(world->ending, made->bytes + JOURNAL_ENDING_OFFSET, 512);
}

void journal_world_copy(struct journal_world *to, const struct journal_world *from)
{
        memcpy(to, from, offsetof(struct journal_world, disk));
        journal_disk_copy(&to->disk, &from->disk);
}

void journal_world_keep_power(struct journal_world *world)
{
        if (world->ending_unsynced)
                memcpy(world->ending, world->new_ending, 512);
        world->is_there = world->is_there && !world->unlink_unsynced;
        world->ending_unsynced = false;
        world->unlink_unsynced = false;
}

void journal_world_lose_power(struct journal_world *world, uint64_t chosen)
{
        world->ending_unsynced = world->ending_unsynced && chosen >> 63;
        world->unlink_unsynced = world->unlink_unsynced && chosen >> 62 & 1;
        journal_disk_lose_power(&world->disk, chosen);
        journal_world_keep_power(world);
}
