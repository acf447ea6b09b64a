/* SPDX-License-Identifier: MIT */
/*
 * Rollback.
 *
 * First the whole image is looked at, and nothing is written unless every journaled
 * sector holds a content that this transaction knows (invariant 7).  Most sectors are
 * explained by the record itself: old or new.  What is not is put into a table of fixed
 * size, and looked for in all other records at once when the table is full: one sector
 * may be changed several times.
 *
 * Then the records are undone from the last to the first, and a sync stands between
 * two steps, as it did when they were applied: each state in between is one that the edit
 * itself went through (invariant 4).  A sector is written only if it holds
 * the new content of the record at hand.  One that does not was either undone by an
 * earlier try, or never reached; to write old content there could put it back into a
 * later state than its neighbours have.
 *
 * A failed sync leaves pages that look old and clean while the disk has something else.
 * So after one, every sector that looks old is written again before the next sync: a
 * sync is never repeated as if it could succeed.
 */
#include "journal/transaction.h"

#include <errno.h>

static const uint8_t zero_sector[JOURNAL_SECTOR];

/* Old content of sector `i` of a change.  Behind the end there is none; a sector there
 * that reads as zeros counts as old. */
static const uint8_t *old_sector(const struct journal_record *record, uint32_t i)
{
        if (record->change.old == JOURNAL_OLD_BYTES)
                return record->change.old_bytes + (size_t)i * JOURNAL_SECTOR;
        return zero_sector;
}

/* The next part of a change, from its sector `first` on, as the image has it now. */
static int read_part(const struct journal_record *record, uint32_t first,
                     const struct image_io *image, uint8_t *bytes, uint32_t *sectors)
{
        uint64_t offset = record->change.offset + (uint64_t)first * JOURNAL_SECTOR;

        *sectors = record->change.sectors - first;
        if (*sectors > UNDO_SECTORS)
                *sectors = UNDO_SECTORS;
        return image->read(image->context, offset, bytes,
                           *sectors * (size_t)JOURNAL_SECTOR);
}

/* ---- looking --------------------------------------------------------------- */

/* Mark what this record explains in the table. */
static void explain(struct journal_undo *undo, const struct journal_record *record)
{
        uint64_t end =
            record->change.offset + (uint64_t)record->change.sectors * JOURNAL_SECTOR;

        for (uint32_t k = 0; k < undo->foreign_count; k++) {
                uint64_t offset = undo->foreign[k].offset;
                uint32_t i;

                if (offset < record->change.offset || offset >= end)
                        continue;
                i = (uint32_t)((offset - record->change.offset) / JOURNAL_SECTOR);
                if (undo->foreign[k].hash == journal_record_hash(record, i) ||
                    (!undo->only_new &&
                     undo->foreign[k].hash ==
                         journal_hash(old_sector(record, i), JOURNAL_SECTOR)))
                        undo->foreign[k].explained = true;
        }
}

/* Look for the table's contents in all records: -ESTALE where one is in none. */
static int explain_foreign(struct journal_undo *undo, struct journal_reader *reader)
{
        struct journal_record record;
        int status;

        if (undo->foreign_count == 0)
                return 0;
        status = journal_reader_first(reader, &record);
        for (; status == 1; status = journal_reader_next(reader, &record))
                if (record.kind == JOURNAL_RECORD_CHANGE)
                        explain(undo, &record);
        if (status < 0)
                return status;
        for (uint32_t k = 0; k < undo->foreign_count; k++)
                if (!undo->foreign[k].explained)
                        return -ESTALE;
        undo->foreign_count = 0;
        return 0;
}

static void look_at_sector(struct journal_undo *undo, const struct journal_record *record,
                           uint32_t i, const uint8_t *content)
{
        uint64_t hash;

        if (!undo->only_new &&
            memcmp(content, old_sector(record, i), JOURNAL_SECTOR) == 0)
                return;
        hash = journal_hash(content, JOURNAL_SECTOR);
        if (hash == journal_record_hash(record, i))
                return;
        undo->foreign[undo->foreign_count].offset =
            record->change.offset + (uint64_t)i * JOURNAL_SECTOR;
        undo->foreign[undo->foreign_count].hash = hash;
        undo->foreign[undo->foreign_count].explained = false;
        undo->foreign_count++;
}

static int look_at_change(struct journal_undo *undo, const struct journal_record *record,
                          const struct image_io *image)
{
        uint32_t sectors;

        for (uint32_t first = 0; first < record->change.sectors; first += sectors) {
                int error = read_part(record, first, image, undo->image, &sectors);
                if (error)
                        return error;
                for (uint32_t i = 0; i < sectors; i++)
                        look_at_sector(undo, record, first + i,
                                       undo->image + (size_t)i * JOURNAL_SECTOR);
        }
        return 0;
}

/* Explain the table, which makes the reader walk, then come back to the record. */
static int explain_and_return(struct journal_undo *undo, struct journal_reader *reader,
                              struct journal_record *record)
{
        uint64_t position = record->position;
        uint32_t batch = record->batch;
        int status = explain_foreign(undo, reader);

        if (status == 0)
                status = journal_reader_seek(reader, position, batch, record);
        return status < 0 ? status : 0;
}

static void note_growth(struct journal_undo *undo, const struct journal_record *record)
{
        uint64_t offset = record->change.offset;
        uint64_t end = offset + (uint64_t)record->change.sectors * JOURNAL_SECTOR;

        if (record->change.old == JOURNAL_OLD_BEHIND_END) {
                if (offset < undo->grown_from)
                        undo->grown_from = offset;
        } else if (undo->gap_from % JOURNAL_SECTOR && offset <= undo->gap_from &&
                   undo->gap_from < end) { /* the sector in which the old file ended */
                undo->gap_from += JOURNAL_SECTOR - undo->gap_from % JOURNAL_SECTOR;
        }
}

static int look_at_all(struct journal_undo *undo, struct journal_reader *reader,
                       const struct image_io *image)
{
        struct journal_record record;
        int status = journal_reader_first(reader, &record);

        undo->foreign_count = 0;
        undo->gap_from = reader->header.old_size;
        undo->grown_from = UINT64_MAX;
        for (; status == 1; status = journal_reader_next(reader, &record)) {
                int error;

                if (record.kind != JOURNAL_RECORD_CHANGE)
                        continue;
                note_growth(undo, &record);
                error = look_at_change(undo, &record, image);
                if (!error && undo->foreign_count > UNDO_FOREIGN_MAX - CHANGE_MAX_SECTORS)
                        error = explain_and_return(undo, reader, &record);
                if (error)
                        return error;
        }
        return status < 0 ? status : explain_foreign(undo, reader);
}

static int look_at_size(const struct journal_header *header, const struct image_io *image,
                        uint64_t *size)
{
        int error = image->size(image->context, size);

        if (error)
                return error;
        if (*size < header->old_size || *size > header->final_size)
                return -ESTALE;
        return 0;
}

/* An old end inside a cluster: what follows in it belongs to whoever has the cluster, and
 * a program that writes there changes neither the size nor a sector that is journaled.
 * A cluster has 2 MiB at most. */
#define GAP_MAX (UINT64_C(2) << 20)

static int look_at_gap(struct journal_undo *undo, uint64_t size,
                       const struct image_io *image)
{
        uint64_t end = undo->grown_from < size ? undo->grown_from : size;

        if (end > undo->gap_from && end - undo->gap_from > GAP_MAX)
                end = undo->gap_from + GAP_MAX;
        for (uint64_t at = undo->gap_from; at < end;) {
                size_t part = end - at < sizeof undo->image ? (size_t)(end - at)
                                                            : sizeof undo->image;
                int error = image->read(image->context, at, undo->image, part);

                if (error)
                        return error;
                for (size_t i = 0; i < part; i++)
                        if (undo->image[i])
                                return -ESTALE;
                at += part;
        }
        return 0;
}

/* ---- undoing ----------------------------------------------------------------- */

static int sync_image(struct journal_undo *undo, const struct image_io *image)
{
        int error = image->sync(image->context);

        if (error)
                undo->sync_failed = true;
        else
                undo->dirty = false;
        return error;
}

static bool needs_undo(const struct journal_undo *undo,
                       const struct journal_record *record, uint32_t i,
                       const uint8_t *content)
{
        const uint8_t *old = old_sector(record, i);

        if (memcmp(content, old, JOURNAL_SECTOR) == 0)
                return undo->sync_failed ||
                       (undo->sync_unknown && record->change.old == JOURNAL_OLD_BYTES);
        return journal_hash(content, JOURNAL_SECTOR) == journal_record_hash(record, i);
}

/* Write what lies inside the file: recovery only ever shortens it, and the file may
 * end within the last sector. */
static int write_inside(struct journal_undo *undo, const struct image_io *image,
                        uint64_t offset, const uint8_t *bytes, size_t length)
{
        if (offset >= undo->size)
                return 0;
        if (length > undo->size - offset)
                length = (size_t)(undo->size - offset);
        undo->dirty = true;
        return image->write(image->context, offset, bytes, length);
}

/* Write the old content of those of the part's sectors that need it, neighbours in
 * one write.  undo->image holds what the image has now. */
static int undo_part(struct journal_undo *undo, const struct journal_record *record,
                     uint32_t first, uint32_t sectors, const struct image_io *image)
{
        uint32_t i = 0;

        while (i < sectors) {
                uint8_t *run = undo->image + (size_t)i * JOURNAL_SECTOR;
                uint32_t start = i;
                int error;

                for (; i < sectors; i++) {
                        uint8_t *content = undo->image + (size_t)i * JOURNAL_SECTOR;
                        if (!needs_undo(undo, record, first + i, content))
                                break;
                        memcpy(content, old_sector(record, first + i), JOURNAL_SECTOR);
                }
                if (i == start) {
                        i++;
                        continue;
                }
                error = write_inside(undo, image,
                                     record->change.offset +
                                         (uint64_t)(first + start) * JOURNAL_SECTOR,
                                     run, (size_t)(i - start) * JOURNAL_SECTOR);
                if (error)
                        return error;
        }
        return 0;
}

/* What lies behind the old end goes away with the cut. */
static int undo_change(struct journal_undo *undo, const struct journal_record *record,
                       const struct image_io *image)
{
        uint32_t sectors;

        if (record->change.old == JOURNAL_OLD_BEHIND_END)
                return 0;
        for (uint32_t first = 0; first < record->change.sectors; first += sectors) {
                int error = read_part(record, first, image, undo->image, &sectors);
                if (!error)
                        error = undo_part(undo, record, first, sectors, image);
                if (error)
                        return error;
        }
        return 0;
}

static int undo_all(struct journal_undo *undo, struct journal_reader *reader,
                    const struct image_io *image)
{
        struct journal_record record;
        uint32_t step = 0; /* of the records undone last */
        int status = journal_reader_last(reader, &record);

        for (; status == 1; status = journal_reader_previous(reader, &record)) {
                int error = 0;

                if (record.kind != JOURNAL_RECORD_CHANGE)
                        continue;
                if (record.change.step != step && undo->dirty)
                        error = sync_image(undo, image);
                step = record.change.step;
                if (!error)
                        error = undo_change(undo, &record, image);
                if (error)
                        return error;
        }
        if (status < 0)
                return status;
        return undo->dirty ? sync_image(undo, image) : 0;
}

/* Recovery only ever shortens.  The size of a block device is never changed. */
static int cut(struct journal_undo *undo, const struct journal_header *header,
               const struct image_io *image)
{
        bool again = (undo->sync_failed || undo->sync_unknown) &&
                     header->final_size > header->old_size;
        int error;

        if (undo->size <= header->old_size && !again)
                return 0;
        error = image->resize(image->context, header->old_size);
        return error ? error : sync_image(undo, image);
}

int undo_look(struct journal_undo *undo, struct journal_reader *reader,
              const struct image_io *image, bool *size_differs)
{
        uint64_t size;
        int error = look_at_size(&reader->header, image, &size);

        *size_differs = error == -ESTALE;
        if (!error)
                error = look_at_all(undo, reader, image);
        return error ? error : look_at_gap(undo, size, image);
}

int undo_look_new(struct journal_undo *undo, struct journal_reader *reader,
                  const struct image_io *image)
{
        int error;

        undo->only_new = true;
        error = look_at_all(undo, reader, image);
        undo->only_new = false;
        return error;
}

int undo_run(struct journal_undo *undo, struct journal_reader *reader,
             const struct image_io *image)
{
        bool size_differs;
        int error = undo_look(undo, reader, image, &size_differs);

        if (!error)
                error = image->size(image->context, &undo->size);
        if (error)
                return error;
        /* What an interrupted try wrote must be durable before anything follows it.  If
         * this fails, it may be the edit's own failed write that is reported here: the
         * old content is then written everywhere, and synced. */
        (void)sync_image(undo, image);
        error = undo_all(undo, reader, image);
        return error ? error : cut(undo, &reader->header, image);
}

int journal_rollback(struct journal *journal, const struct image_io *image)
{
        struct journal_reader *reader = &journal->reader;
        int error;

        if (journal->fd < 0)
                return -EINVAL;
        if (!journal->may_be_closed)
                return 0;
        error = journal_reader_open(reader, journal->fd);
        if (error || reader->closed_batches == 0)
                return error;
        return undo_run(&journal->undo, reader, image);
}
