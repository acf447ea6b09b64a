/* SPDX-License-Identifier: MIT */
/*
 * Recovery: what a hot journal means for the image, and what is done about it.
 *
 *     the switch's sector holds its new content    complete: nothing is undone (invariant
 * 2) else the image was written to later than the journal could have been about another
 * writer: nothing is touched else size and every sector are the edit's    undone, in
 * reverse, step by step else                                         another writer:
 * nothing is touched
 *
 * Another writer began from a valid image (invariant 4), so what it left is the truth,
 * and the clusters that the edit had taken may be in use (invariant 7).  Content alone
 * does not always show it: a virtual machine may have allocated a cluster that the edit
 * had prepared, and have written zeros to it.  Hence the time.
 *
 * Recovery writes to the image itself, so before it does that it says so in the
 * journal, with its own boot and time: a recovery that was interrupted, perhaps by
 * another power loss, is not taken for another writer (invariant 3).
 *
 * The process that left the journal may have seen a sync fail, upon which the kernel
 * calls pages clean that never reached the disk; a later process is not told.  So every
 * sector that looks old is written once more.  But for what was a hole: that takes space,
 * which a full disk has not, for clusters that nothing refers to.
 */
#include "journal/found.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal/boot.h"
#include "journal/bytes.h"
#include "journal/ending.h"

/* Nanoseconds that may pass between a batch and the writes that it covers: the guest's
 * time limit, with room for a slow disk. */
#define WRITER_LIMIT (60u * UINT64_C(1000000000))

/* Nanoseconds after which a recovery says again that it is under way. */
#define MARK_AGAIN (WRITER_LIMIT / 6)

/* ---- judging ----------------------------------------------------------------- */

/* 1 if the image holds the switch's new content (then it is in found->undo.image), 0 if
 * not, or a negative errno. */
static int switch_is_there(struct journal_found *found, const struct image_io *io)
{
        struct journal_reader *reader = &found->reader;
        struct journal_record record;
        int error;
        int status;

        if (!reader->has_switch)
                return 0;
        error = io->read(io->context, reader->switch_offset, found->undo.image,
                         JOURNAL_SECTOR);
        if (error)
                return error;
        status = journal_reader_first(reader, &record);
        while (status == 1 &&
               !(record.kind == JOURNAL_RECORD_CHANGE && record.change.is_switch))
                status = journal_reader_next(reader, &record);
        if (status < 0)
                return status;
        return status == 1 && journal_hash(found->undo.image, JOURNAL_SECTOR) ==
                                  journal_record_hash(&record, 0);
}

static bool written_later(const struct journal_found *found,
                          const struct journal_image *image)
{
        static const uint8_t not_known[JOURNAL_BOOT_ID_SIZE];
        const struct journal_reader *reader = &found->reader;
        const uint8_t *boot = reader->header.boot;
        uint64_t last = reader->close_time;
        uint8_t now[JOURNAL_BOOT_ID_SIZE];

        if (!image->has_mtime)
                return false;
        if (reader->recovering) {
                boot = reader->recovering_boot;
                if (reader->ending_time > last)
                        last = reader->ending_time;
        }
        if (image->mtime > last && image->mtime - last > WRITER_LIMIT)
                return true;
        boot_id(now);
        if (memcmp(now, boot, sizeof now) == 0 ||
            memcmp(now, not_known, sizeof now) == 0 ||
            memcmp(boot, not_known, sizeof now) == 0)
                return false;
        /* A journal that is younger than this boot is another machine's. */
        return last < boot_time() && image->mtime > boot_time();
}

int journal_found_judge(struct journal_found *found, const struct journal_image *image,
                        const struct image_io *io, enum journal_verdict *verdict)
{
        bool size_differs;
        int status = switch_is_there(found, io);

        if (status < 0)
                return status;
        if (status == 1) {
                *verdict = JOURNAL_VERDICT_COMPLETE;
                return 0;
        }
        if (written_later(found, image)) {
                *verdict = JOURNAL_VERDICT_LATER;
                return 0;
        }
        status = undo_look(&found->undo, &found->reader, io, &size_differs);
        if (status == -ESTALE)
                *verdict = size_differs ? JOURNAL_VERDICT_SIZE : JOURNAL_VERDICT_CONTENT;
        else
                *verdict = JOURNAL_VERDICT_UNDO;
        return status == -ESTALE ? 0 : status;
}

/* ---- undoing ------------------------------------------------------------------- */

/* Say that a recovery is under way, now. */
static int mark(struct journal_found *found)
{
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];

        boot_id(boot);
        found->marked = boot_now();
        return ending_write(found->fd, found->reader.header.transaction,
                            ENDING_RECOVERING, boot);
}

/* A recovery that takes long says so again and again. */
static int mark_again(void *context)
{
        struct journal_found *found = context;

        return boot_now() - found->marked < MARK_AGAIN ? 0 : mark(found);
}

int journal_found_undo(struct journal_found *found, const struct image_io *io)
{
        const uint8_t *transaction = found->reader.header.transaction;
        int error = mark(found);

        if (error)
                return error;
        found->undo.sync_unknown = true;
        found->undo.progress = mark_again;
        found->undo.progress_context = found;
        error = undo_run(&found->undo, &found->reader, io);
        if (!error)
                error = ending_write(found->fd, transaction, JOURNAL_ABORTED, NULL);
        if (!error) /* its end is durable: the next writer would remove it as well */
                (void)journal_found_remove(found);
        return error;
}

/* ---- what becomes of the file ------------------------------------------------------ */

int journal_found_complete(struct journal_found *found, const struct image_io *io)
{
        uint64_t offset = found->reader.switch_offset;
        uint64_t length = JOURNAL_SECTOR;
        uint64_t size;
        int status = switch_is_there(found, io);
        int error = status < 0 ? status : io->size(io->context, &size);

        if (error)
                return error;
        if (status == 0 || offset >= size)
                return -ESTALE;
        if (length > size - offset) /* never behind the end of the file */
                length = size - offset;
        error = mark(found); /* if it is not there after all, this is no other writer */
        if (!error)
                error = io->write(io->context, offset, found->undo.image, (size_t)length);
        if (!error)
                error = io->sync(io->context);
        return error ? error : journal_found_remove(found);
}

int journal_found_remove(struct journal_found *found)
{
        if (unlinkat(found->directory_fd, found->name, 0) != 0 && errno != ENOENT)
                return -errno;
        return fsync(found->directory_fd) == 0 ? 0 : -errno;
}

/* IMAGE.TRANSACTION.instar-journal; without IMAGE where the name would be too long. */
static void name_aside(const struct journal_found *found, char name[NAME_MAX + 1])
{
        size_t stem = strlen(found->name);
        size_t suffix = strlen(JOURNAL_SUFFIX);

        if (stem > suffix && strcmp(found->name + stem - suffix, JOURNAL_SUFFIX) == 0)
                stem -= suffix;
        if (snprintf(name, NAME_MAX + 1, "%.*s.%s%s", (int)stem, found->name,
                     found->transaction, JOURNAL_SUFFIX) > NAME_MAX)
                snprintf(name, NAME_MAX + 1, "%s%s", found->transaction, JOURNAL_SUFFIX);
}

/* RENAME_NOREPLACE, also where the file system does not have it. */
static int rename_new(int directory_fd, const char *from, const char *to)
{
        if (renameat2(directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (faccessat(directory_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return -EEXIST;
        return renameat(directory_fd, from, directory_fd, to) == 0 ? 0 : -errno;
}

int journal_found_set_aside(struct journal_found *found, char **new_path)
{
        char name[NAME_MAX + 1];
        int directory = (int)(strrchr(found->path, '/') - found->path);
        int error;

        name_aside(found, name);
        if (asprintf(new_path, "%.*s/%s", directory, found->path, name) < 0) {
                *new_path = NULL;
                return -ENOMEM;
        }
        error = rename_new(found->directory_fd, found->name, name);
        if (!error && fsync(found->directory_fd) != 0)
                error = -errno;
        if (error) {
                free(*new_path);
                *new_path = NULL;
        }
        return error;
}
