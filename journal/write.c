/* SPDX-License-Identifier: MIT */
/*
 * Writing a journal.
 *
 * Records are framed into sectors in a fixed buffer as they come.  A plain edit fits, so
 * that its first (and only) batch is one write, one fdatasync, and one fsync of
 * the directory.  A batch counts from the moment its closing record is durable;
 * everything before that in the same batch may reach the disk in any order.  Each
 * batch begins in a fresh sector, so that nothing durable is ever written again, but for
 * the ending record, which has a sector of its own.
 *
 * After a failed write or sync of a batch nothing more is added: what the file holds
 * then is not known.  The ending record may still be written, in its own place and
 * with its own sync.
 */
#include "journal/transaction.h"

#include <errno.h>
#include <unistd.h>

#include "journal/boot.h"
#include "journal/crc32c.h"
#include "journal/ending.h"

int writer_write(int fd, const uint8_t *bytes, size_t length, uint64_t offset)
{
        while (length) {
                ssize_t n = pwrite(fd, bytes, length, (off_t)offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                bytes += n;
                length -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

/* Write out the whole sectors of the buffer. */
static int flush(struct journal *journal)
{
        int error;

        error = writer_write(journal->fd, journal->buffer, journal->fill,
                             journal->buffer_offset);
        if (error) {
                journal->failed = error;
                return error;
        }
        journal->buffer_offset += journal->fill;
        journal->fill = 0;
        return 0;
}

/* The current sector's payload is full: seal it. */
static int finish_sector(struct journal *journal)
{
        uint8_t *sector = journal->buffer + journal->fill - SECTOR_PAYLOAD_SIZE;
        uint64_t position = journal->buffer_offset + journal->fill;

        journal_sector_seal_batch(sector, position / JOURNAL_SECTOR, journal->tag,
                                  journal->batch);
        journal->fill += JOURNAL_SECTOR - SECTOR_PAYLOAD_SIZE;
        return journal->fill == sizeof journal->buffer ? flush(journal) : 0;
}

/* Frame the bytes without summing them up. */
static int frame(struct journal *journal, const uint8_t *bytes, size_t length)
{
        while (length) {
                size_t part = SECTOR_PAYLOAD_SIZE - journal->fill % JOURNAL_SECTOR;
                int error = 0;

                if (part > length)
                        part = length;
                memcpy(journal->buffer + journal->fill, bytes, part);
                journal->fill += part;
                bytes += part;
                length -= part;
                if (journal->fill % JOURNAL_SECTOR == SECTOR_PAYLOAD_SIZE)
                        error = finish_sector(journal);
                if (error)
                        return error;
        }
        return 0;
}

int writer_append(struct journal *journal, const void *bytes, size_t length)
{
        journal->batch_crc = crc32c(journal->batch_crc, bytes, length);
        return frame(journal, bytes, length);
}

int writer_append_record(struct journal *journal, uint8_t *bytes, size_t length)
{
        uint64_t position = journal->buffer_offset + journal->fill;

        store_le64(bytes + RECORD_SEQUENCE, journal->sequence++);
        store_le64(bytes + RECORD_PREVIOUS, journal->previous);
        journal->previous = position;
        journal->batch_count++;
        return writer_append(journal, bytes, length);
}

static bool change_is_allowed(const struct journal *journal,
                              const struct journal_change *change)
{
        uint64_t end;

        if (change->offset % JOURNAL_SECTOR || change->length % JOURNAL_SECTOR ||
            change->length == 0 || change->step < journal->last_step ||
            __builtin_add_overflow(change->offset, change->length, &end) ||
            end > INT64_MAX || end - JOURNAL_SECTOR >= journal->final_size)
                return false;
        if (change->behind_end &&
            (change->offset < journal->old_size || change->old_bytes))
                return false;
        if (change->is_switch &&
            (journal->has_switch || change->length != JOURNAL_SECTOR))
                return false;
        return true;
}

static enum journal_old old_kind(const struct journal_change *change)
{
        if (change->behind_end)
                return JOURNAL_OLD_BEHIND_END;
        return change->old_bytes ? JOURNAL_OLD_BYTES : JOURNAL_OLD_ZEROS;
}

/* The hashes, little-endian, in portions. */
static int append_hashes(struct journal *journal, const uint64_t *hashes, uint32_t count)
{
        uint8_t bytes[64 * 8];

        while (count) {
                uint32_t part = count < 64 ? count : 64;
                int error;

                for (uint32_t i = 0; i < part; i++)
                        store_le64(bytes + 8 * i, hashes[i]);
                error = writer_append(journal, bytes, 8u * part);
                if (error)
                        return error;
                hashes += part;
                count -= part;
        }
        return 0;
}

/* One record for `sectors` sectors of the change, from number `first` on. */
static int append_change(struct journal *journal, const struct journal_change *change,
                         uint64_t first, uint32_t sectors)
{
        uint8_t record[CHANGE_HASHES] = {0};
        int error;

        store_le32(record + RECORD_KIND, JOURNAL_RECORD_CHANGE);
        store_le32(record + RECORD_FLAGS, change->is_switch ? CHANGE_FLAG_SWITCH : 0);
        store_le64(record + CHANGE_OFFSET, change->offset + first * JOURNAL_SECTOR);
        store_le32(record + CHANGE_SECTORS, sectors);
        store_le32(record + CHANGE_STEP, change->step);
        store_le32(record + CHANGE_OLD, old_kind(change));
        error = writer_append_record(journal, record, sizeof record);
        if (!error)
                error = append_hashes(journal, change->new_hashes + first, sectors);
        if (!error && change->old_bytes)
                error = writer_append(journal, change->old_bytes + first * JOURNAL_SECTOR,
                                      (size_t)sectors * JOURNAL_SECTOR);
        return error;
}

int journal_add(struct journal *journal, const struct journal_change *change)
{
        uint64_t limit =
            change->old_bytes ? CHANGE_MAX_SECTORS_BYTES : CHANGE_MAX_SECTORS;
        uint64_t sectors = change->length / JOURNAL_SECTOR;

        if (journal->failed)
                return journal->failed;
        if (journal->fd < 0 || !change_is_allowed(journal, change))
                return -EINVAL;
        for (uint64_t first = 0; first < sectors; first += limit) {
                uint64_t part = sectors - first < limit ? sectors - first : limit;
                int error = append_change(journal, change, first, (uint32_t)part);
                if (error)
                        return error;
        }
        journal->last_step = change->step;
        journal->has_switch |= change->is_switch;
        return 0;
}

int journal_claim(struct journal *journal, uint64_t offset, uint64_t length)
{
        uint8_t record[CLAIM_SIZE] = {0};
        uint64_t end;

        if (journal->failed)
                return journal->failed;
        if (journal->fd < 0 || length == 0 ||
            __builtin_add_overflow(offset, length, &end) || end > journal->final_size)
                return -EINVAL;
        store_le32(record + RECORD_KIND, JOURNAL_RECORD_CLAIM);
        store_le64(record + CLAIM_OFFSET, offset);
        store_le64(record + CLAIM_LENGTH, length);
        return writer_append_record(journal, record, sizeof record);
}

/* The closing record, and zeros up to the end of its sector. */
static int append_close(struct journal *journal)
{
        static const uint8_t zeros[SECTOR_PAYLOAD_SIZE];
        uint8_t record[CLOSE_SIZE] = {0};
        size_t within;
        int error;

        store_le32(record + RECORD_KIND, JOURNAL_RECORD_CLOSE);
        store_le32(record + CLOSE_BATCH, journal->batch);
        store_le64(record + CLOSE_COUNT, journal->batch_count);
        store_le64(record + CLOSE_TIME, boot_now());
        store_le64(record + RECORD_SEQUENCE, journal->sequence++);
        store_le64(record + RECORD_PREVIOUS, journal->previous);
        journal->previous = journal->buffer_offset + journal->fill;
        store_le32(record + CLOSE_CRC, crc32c(journal->batch_crc, record, CLOSE_CRC));
        error = frame(journal, record, sizeof record);
        within = journal->fill % JOURNAL_SECTOR;
        if (!error && within)
                error = frame(journal, zeros, SECTOR_PAYLOAD_SIZE - within);
        return error;
}

/* fdatasync carries the file's size and blocks; the name needs the directory. */
static int make_durable(struct journal *journal)
{
        if (fdatasync(journal->fd) != 0)
                return -errno;
        if (!journal->directory_synced && fsync(journal->directory_fd) != 0)
                return -errno;
        journal->directory_synced = true;
        return 0;
}

int journal_close_batch(struct journal *journal)
{
        int error;

        if (journal->failed)
                return journal->failed;
        if (journal->fd < 0)
                return -EINVAL;
        if (journal->batch_count == 0)
                return 0;
        error = append_close(journal);
        if (!error && journal->fill)
                error = flush(journal);
        if (!error) {
                journal->may_be_closed = true;
                error = make_durable(journal);
        }
        journal->failed = error;
        journal->batch++;
        journal->batch_count = 0;
        journal->batch_crc = 0;
        return error;
}

int journal_end(struct journal *journal, enum journal_end end)
{
        if (journal->fd < 0)
                return -EINVAL;
        if (!journal->may_be_closed)
                return 0;
        return ending_write(journal->fd, journal->id, end, NULL);
}
