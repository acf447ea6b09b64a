/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/doorbell_world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/harness/tmpfs_directory.h"
#include "host/vmm/signals.h"
#include "journal/format.h"
#include "journal/found.h"

struct doorbell_world world;

static struct journal_place place;
static struct journal_identity identity;
static struct journal *journal;

/* As made once: what a run begins with. */
static struct transaction new_transaction;
static struct doorbell new_doorbell;

/* ---- what goes wrong --------------------------------------------------------------- */

int __wrap_signals_caught(void);
int __wrap_signals_caught(void)
{
        world.looks++;
        world.all_looks++;
        return world.head.signal && world.all_looks >= world.head.signal ? SIGTERM : 0;
}

static bool fails(void)
{
        world.calls++;
        if (world.head.fault && world.calls == world.head.fault)
                world.failed = true;
        else if (!world.broken)
                return false;
        world.broken = world.head.flags & DOORBELL_FAULT_STAYS;
        return true;
}

/* What the guest is given lies where it may write itself. */
static int io_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        const uint8_t *memory = doorbell_guest_memory();
        const uint8_t *bytes = buffer;

        if (bytes >= memory && bytes < memory + DOORBELL_MEMORY)
                MUST(doorbell_guest_range((uint64_t)(bytes - memory), length));
        return fails() ? -EIO : world.io.read(context, offset, buffer, length);
}

/* A write that fails has written its first half, in whole sectors, where it is undone. */
static int io_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        const struct transaction *t = &world.transaction;

        MUST(t->state != TRANSACTION_IDLE || world.ending);
        MUST(t->state != TRANSACTION_OPEN || !t->unclosed); /* invariant 1 */
        MUST(offset + length <= t->final_size);
        if (!fails())
                return world.io.write(context, offset, buffer, length);
        uint64_t half = (offset + length / 2) / ABI_SECTOR * ABI_SECTOR;
        if (t->state != TRANSACTION_COMMITTED && half > offset)
                (void)world.io.write(context, offset, buffer, half - offset);
        return -EIO;
}

static int io_sync(void *context)
{
        return fails() ? -EIO : world.io.sync(context);
}

static int io_resize(void *context, uint64_t size)
{
        const struct transaction *t = &world.transaction;

        MUST(t->state != TRANSACTION_IDLE || world.ending);
        MUST(t->state != TRANSACTION_OPEN || !t->unclosed);
        MUST(size <= t->final_size);
        return fails() ? -EIO : world.io.resize(context, size);
}

static int io_size(void *context, uint64_t *size)
{
        return fails() ? -EIO : world.io.size(context, size);
}

void world_heal(void)
{
        world.head.fault = 0;
        world.head.signal = 0;
        world.broken = false;
}

/* ---- making ---------------------------------------------------------------------------
 */

static void must(bool done)
{
        if (done)
                return;
        perror("cannot prepare");
        abort();
}

static int take_report(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        (void)context;
        (void)bytes;
        MUST(length && length <= ABI_MAX_REPORT);
        return kind == 1 ? -EBADMSG : 0;
}

static void make_place(void)
{
        struct tmpfs_directory directory;

        tmpfs_directory_make(&directory);
        place.directory_fd = directory.fd;
        snprintf(place.name, sizeof place.name, "disk%s", JOURNAL_SUFFIX);
        must(asprintf(&place.path, "%s/%s", directory.path, place.name) > 0);
        identity.kind = JOURNAL_IDENTITY_INODE;
        identity.length = 20;
        memset(identity.bytes, 0x5a, identity.length);
}

static void make_journal(void)
{
        must(!journal_prepare(&place, &identity, "/images/disk", "bitmap --add disk b0",
                              &journal));
        new_transaction.journal = journal;
}

static void fail_on_purpose(struct image_io *io)
{
        io->read = io_read;
        io->write = io_write;
        io->sync = io_sync;
        io->resize = io_resize;
        io->size = io_size;
}

static void make(void)
{
        struct vm *vm = doorbell_guest_machine();
        struct report_sink sink = {take_report, NULL};

        world.image.fd = memfd_create("image", MFD_CLOEXEC);
        must(world.image.fd >= 0);
        world.io = image_io(&world.image);
        make_place();
        make_journal();
        must(!transaction_create(&new_transaction, &world.image, vm, journal, NULL));
        must(!doorbell_create(&new_doorbell, vm, &world.image, &world.transaction));
        must(!doorbell_report_to(&new_doorbell, &sink));
        fail_on_purpose(&new_transaction.io);
        fail_on_purpose(&new_doorbell.io);
}

/* Pages of zeros stay holes. */
static void write_image(const struct model_file *file)
{
        static const uint8_t zeros[4096];

        must(!ftruncate(world.image.fd, 0));
        must(!ftruncate(world.image.fd, (off_t)file->size));
        for (uint64_t at = 0; at < file->size; at += sizeof zeros) {
                size_t left = file->size - at;
                size_t length = left < sizeof zeros ? left : sizeof zeros;

                if (memcmp(file->bytes + at, zeros, length) != 0)
                        must(pwrite(world.image.fd, file->bytes + at, length,
                                    (off_t)at) == (ssize_t)length);
        }
        world.image.size = file->size;
}

/* A run that has done nearly all it may. */
static void tire(void)
{
        world.doorbell.rings = ABI_MAX_DOORBELLS - 2;
        world.doorbell.bytes_read = ABI_MAX_READ - 4 * ABI_SECTOR;
        world.doorbell.bytes_reported = ABI_MAX_REPORTS - 4 * ABI_SECTOR;
        world.transaction.count = ABI_MAX_TRANSACTIONS - 1;
}

void world_start(const struct doorbell_head *head, const struct model *model)
{
        if (!journal)
                make();
        doorbell_guest_reset();
        write_image(&model->image);
        world.image.block_device = head->flags & DOORBELL_DEVICE;
        world.transaction = new_transaction;
        world.doorbell = new_doorbell;
        world.doorbell.reads_only = head->flags & DOORBELL_LOOKS;
        if (!(head->flags & DOORBELL_REPORTS))
                world.doorbell.sink.take = NULL;
        if (head->flags & DOORBELL_NO_SPACE)
                world.transaction.image_space = 4 * ABI_SECTOR;
        if (head->flags & DOORBELL_TIRED)
                tire();
        world.looks = world.all_looks = world.calls = 0;
        world.failed = world.broken = world.ending = false;
        world.head = *head;
}

/* ---- looking
 * --------------------------------------------------------------------------- */

bool world_has_journal(void)
{
        return faccessat(place.directory_fd, place.name, F_OK, 0) == 0;
}

bool world_image_is(const struct model_file *file)
{
        static uint8_t bytes[MODEL_IMAGE];
        struct stat status;
        size_t length = file->size < sizeof bytes ? (size_t)file->size : sizeof bytes;

        must(!fstat(world.image.fd, &status));
        if ((uint64_t)status.st_size != file->size)
                return false;
        must(!world.io.read(&world.image, 0, bytes, length));
        return memcmp(bytes, file->bytes, length) == 0;
}

/* ---- recovery
 * -------------------------------------------------------------------------- */

static enum world_recovery recover_hot(struct journal_found *found)
{
        enum journal_verdict verdict;

        MUST(journal_found_judge(found, &world.io, &verdict) == 0);
        switch (verdict) {
        case JOURNAL_VERDICT_UNDO:
                MUST(journal_found_undo(found, &world.io) == 0);
                return WORLD_UNDONE;
        case JOURNAL_VERDICT_COMPLETE:
                MUST(journal_found_complete(found, &world.io) == 0);
                return WORLD_COMPLETED;
        case JOURNAL_VERDICT_SUPERSEDED:
                MUST(journal_found_remove(found) == 0);
                return WORLD_SUPERSEDED;
        default: /* nobody else has written */
                MUST(verdict == JOURNAL_VERDICT_UNDO);
                return WORLD_NOTHING;
        }
}

static enum world_recovery recover_found(struct journal_found *found)
{
        if (found->state == JOURNAL_HOT)
                return recover_hot(found);
        MUST(found->state == JOURNAL_ENDED || found->state == JOURNAL_EMPTY ||
             found->state == JOURNAL_GONE);
        MUST(journal_found_remove(found) == 0);
        return found->state == JOURNAL_ENDED ? WORLD_ENDED : WORLD_NOTHING;
}

enum world_recovery world_recover(void)
{
        const struct journal_image facts = {.identity = identity, .owner = geteuid()};
        struct journal_found *found;
        enum world_recovery what;

        journal_close(journal); /* and with it the lock */
        make_journal();
        MUST(journal_found_open(place.path, &facts, false, &found) == 0);
        what = recover_found(found);
        journal_found_close(found);
        MUST(!world_has_journal());
        return what;
}
