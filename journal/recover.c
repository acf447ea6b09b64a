/* SPDX-License-Identifier: MIT */
/*
 * Recovery: what a hot journal means for the image, and what is done about it.
 *
 * The switch is in the image, and all else that the edit wrote: it is complete (invariant
 * 2).  The switch is there, and something else is not: whoever wrote that, the switch
 * stands.  The switch is not there, and size and every sector are the edit's: it can be
 * undone, in reverse, step by step.  Otherwise another program has written; it began from
 * a valid image (invariant 4), so what it left is the truth, and nothing is touched.
 *
 * Content alone does not show every other writer: a virtual machine may have taken the
 * very clusters that the edit had taken, and have written zeros to them (invariant 7). So
 * the journal names what the edit takes (claims), and the caller has it proved that
 * nothing refers to that before it undoes.  No clock is asked: after a power loss, on
 * another machine, or after a disk that hung for minutes, none can be relied on.
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

/* ---- judging ----------------------------------------------------------------- */

/* 1 if the image holds the switch's new content (then it is in found->undo.image), 0 if
 * not, or a negative errno. */
static int switch_is_there(struct journal_found *found, const struct image_io *io)
{
        struct journal_reader *reader = &found->reader;
        struct journal_record record;
        uint64_t size;
        int error;
        int status;

        if (!reader->has_switch)
                return 0;
        error = io->size(io->context, &size);
        if (error)
                return error;
        if (reader->switch_offset >= size)
                return 0; /* it would read as zeros, which may be the new content */
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

int journal_found_judge(struct journal_found *found, const struct image_io *io,
                        enum journal_verdict *verdict)
{
        bool size_differs;
        int there = switch_is_there(found, io);
        int status = there;

        if (there >= 0)
                status = there
                             ? undo_look_new(&found->undo, &found->reader, io)
                             : undo_look(&found->undo, &found->reader, io, &size_differs);
        if (status && status != -ESTALE)
                return status;
        if (there)
                *verdict = status ? JOURNAL_VERDICT_SUPERSEDED : JOURNAL_VERDICT_COMPLETE;
        else if (status)
                *verdict = size_differs ? JOURNAL_VERDICT_SIZE : JOURNAL_VERDICT_CONTENT;
        else
                *verdict = JOURNAL_VERDICT_UNDO;
        return 0;
}

/* ---- what it had taken -------------------------------------------------------- */

static int add_range(struct journal_range **ranges, size_t *count,
                     const struct journal_record *record)
{
        struct journal_range *last = *count ? &(*ranges)[*count - 1] : NULL;
        struct journal_range *list;

        if (last && last->offset + last->length == record->claim.offset) {
                last->length += record->claim.length;
                return 0;
        }
        list = reallocarray(*ranges, *count + 1, sizeof *list);
        if (!list)
                return -ENOMEM;
        list[*count] = (struct journal_range){record->claim.offset, record->claim.length};
        *ranges = list;
        ++*count;
        return 0;
}

int journal_found_claims(struct journal_found *found, struct journal_range **ranges,
                         size_t *count)
{
        struct journal_reader *reader = &found->reader;
        struct journal_record record;
        int status = journal_reader_first(reader, &record);

        *ranges = NULL;
        *count = 0;
        while (status == 1) {
                int error = record.kind == JOURNAL_RECORD_CLAIM
                                ? add_range(ranges, count, &record)
                                : 0;
                status = error ? error : journal_reader_next(reader, &record);
        }
        if (status < 0) {
                free(*ranges);
                *ranges = NULL;
                *count = 0;
        }
        return status;
}

/* ---- undoing ------------------------------------------------------------------- */

/* Say that a recovery is under way, for whoever looks at the journal.  What a process
 * left that was killed may still be in the page cache only: were the mark to reach the
 * disk before the rest, a power loss would leave a journal that is damaged. */
static int mark(struct journal_found *found)
{
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];

        if (fdatasync(found->fd) != 0)
                return -errno;
        boot_id(boot);
        return ending_write(found->fd, found->reader.header.transaction,
                            ENDING_RECOVERING, boot);
}

/* An end that is durable is enough: the next writer would remove the file as well.  Where
 * it cannot be written, a durable removal is. */
static int end_and_remove(struct journal_found *found, enum journal_end end)
{
        int error = ending_write(found->fd, found->reader.header.transaction, end, NULL);
        int removed = journal_found_remove(found);

        return error ? removed : 0;
}

int journal_found_undo(struct journal_found *found, const struct image_io *io)
{
        int error = mark(found);

        if (error)
                return error;
        found->undo.sync_unknown = true;
        error = undo_run(&found->undo, &found->reader, io);
        return error ? error : end_and_remove(found, JOURNAL_ABORTED);
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
        error = io->write(io->context, offset, found->undo.image, (size_t)length);
        if (!error)
                error = io->sync(io->context);
        return error ? error : end_and_remove(found, JOURNAL_DONE);
}

int journal_found_discard(struct journal_found *found)
{
        if (found->state == JOURNAL_HOT)
                return end_and_remove(found, JOURNAL_ABORTED);
        return journal_found_remove(found);
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
