/* SPDX-License-Identifier: MIT */
/*
 * The examination of a whole journal file, and the way through its records.
 *
 * The batches are followed from the first one.  Where a record has a part that is absent,
 * the batch was not closed, and no batch behind it can have been begun: the
 * writer waits for a closing record to be durable before it goes on.  So what is
 * left of the file may hold nothing but sectors of that same batch and absent ones.  A
 * sector of a later batch proves that something went missing in the middle; a damaged
 * sector, wherever it is, that this is no longer what was written.
 *
 * An absent header means that not even the first batch is closed, by the same
 * reasoning.
 */
#include "journal/read.h"

#include <errno.h>
#include <unistd.h>

#define HOLE_SECTORS 8u

const char *journal_fault_text(enum journal_fault fault)
{
        static const char *const texts[] = {
            [JOURNAL_FAULT_NONE] = "no damage",
            [JOURNAL_FAULT_HEADER] = "the header is damaged, or this is no journal",
            [JOURNAL_FAULT_VERSION] = "the journal is of a newer format",
            [JOURNAL_FAULT_FIELD] = "the header has an impossible value",
            [JOURNAL_FAULT_ENDING] = "the ending record is damaged",
            [JOURNAL_FAULT_SECTOR] = "a sector has a wrong checksum",
            [JOURNAL_FAULT_RECORD] = "an undo record has an impossible value",
            [JOURNAL_FAULT_BATCH] = "a closing record does not fit its batch",
            [JOURNAL_FAULT_MISSING] = "a sector of a closed batch is missing",
        };

        if ((size_t)fault >= sizeof texts / sizeof *texts)
                return "unknown damage";
        return texts[fault];
}

static bool header_fields_are_sound(const uint8_t *bytes)
{
        uint64_t old_size = load_le64(bytes + HEADER_OLD_SIZE);
        uint64_t final_size = load_le64(bytes + HEADER_FINAL_SIZE);
        uint32_t kind = load_le32(bytes + HEADER_IDENTITY_KIND);
        uint32_t length = load_le32(bytes + HEADER_IDENTITY_LENGTH);

        return load_le32(bytes + HEADER_FLAGS) == 0 && old_size <= final_size &&
               final_size <= INT64_MAX && kind >= JOURNAL_IDENTITY_HANDLE &&
               kind <= JOURNAL_IDENTITY_DEVICE && length <= JOURNAL_IDENTITY_MAX &&
               all_zero(bytes + HEADER_IDENTITY + length,
                        JOURNAL_IDENTITY_MAX - length) &&
               all_zero(bytes + HEADER_RESERVED, SECTOR_CRC - HEADER_RESERVED);
}

static void fill_header(struct journal_reader *reader, const uint8_t *bytes)
{
        struct journal_header *header = &reader->header;

        header->version = load_le32(bytes + HEADER_VERSION);
        memcpy(header->transaction, bytes + HEADER_TRANSACTION, JOURNAL_ID_SIZE);
        memcpy(header->boot, bytes + HEADER_BOOT, JOURNAL_BOOT_ID_SIZE);
        header->old_size = load_le64(bytes + HEADER_OLD_SIZE);
        header->final_size = load_le64(bytes + HEADER_FINAL_SIZE);
        header->time = load_le64(bytes + HEADER_TIME);
        header->identity.kind = load_le32(bytes + HEADER_IDENTITY_KIND);
        header->identity.length = load_le32(bytes + HEADER_IDENTITY_LENGTH);
        memcpy(header->identity.bytes, bytes + HEADER_IDENTITY, JOURNAL_IDENTITY_MAX);
        reader->tag = load_le64(header->transaction);
        reader->has_header = true;
}

/* A file shorter than a header: the beginning of one, zeros, or something else that
 * only has a journal's name. */
static int read_stump(struct journal_reader *reader)
{
        uint8_t bytes[JOURNAL_SECTOR];
        ssize_t length = pread(reader->fd, bytes, sizeof bytes, 0);
        size_t compared;

        if (length < 0)
                return -errno;
        compared =
            (size_t)length < JOURNAL_MAGIC_SIZE ? (size_t)length : JOURNAL_MAGIC_SIZE;
        if (all_zero(bytes, (size_t)length) ||
            memcmp(bytes, JOURNAL_MAGIC, compared) == 0)
                return 0;
        return journal_reader_damaged(reader, JOURNAL_FAULT_HEADER, 0);
}

/* The version is believed only where the checksum holds, which is at the same place in
 * every version: a flipped bit is damage, not a newer format. */
static int read_header(struct journal_reader *reader)
{
        enum sector_state state;
        const uint8_t *bytes;
        uint32_t version;
        int error = journal_reader_sector(reader, 0, &bytes, &state);

        if (error)
                return error;
        if (state == SECTOR_END)
                return read_stump(reader);
        if (state == SECTOR_ABSENT)
                return 0;
        if (state == SECTOR_DAMAGED ||
            memcmp(bytes, JOURNAL_MAGIC, JOURNAL_MAGIC_SIZE) != 0)
                return journal_reader_damaged(reader, JOURNAL_FAULT_HEADER, 0);
        version = load_le32(bytes + HEADER_VERSION);
        if (version > JOURNAL_FORMAT_VERSION) {
                reader->header.version = version;
                journal_reader_damaged(reader, JOURNAL_FAULT_VERSION, HEADER_VERSION);
                return -EPROTONOSUPPORT;
        }
        if (version == 0 || !header_fields_are_sound(bytes))
                return journal_reader_damaged(reader, JOURNAL_FAULT_FIELD, 0);
        fill_header(reader, bytes);
        return 0;
}

static bool ending_fields_are_sound(const struct journal_reader *reader,
                                    const uint8_t *bytes)
{
        uint32_t kind = load_le32(bytes + ENDING_KIND);

        return memcmp(bytes, JOURNAL_ENDING_MAGIC, JOURNAL_MAGIC_SIZE) == 0 &&
               memcmp(bytes + ENDING_TRANSACTION, reader->header.transaction,
                      JOURNAL_ID_SIZE) == 0 &&
               kind >= JOURNAL_DONE && kind <= ENDING_RECOVERING &&
               load_le32(bytes + ENDING_RESERVED_1) == 0 &&
               (kind == ENDING_RECOVERING ||
                all_zero(bytes + ENDING_BOOT, JOURNAL_BOOT_ID_SIZE)) &&
               all_zero(bytes + ENDING_RESERVED, SECTOR_CRC - ENDING_RESERVED);
}

static int read_ending(struct journal_reader *reader)
{
        enum sector_state state;
        const uint8_t *bytes;
        uint32_t kind;
        int error = journal_reader_sector(reader, 1, &bytes, &state);

        if (error)
                return error;
        if (state == SECTOR_ABSENT || state == SECTOR_END)
                return 0;
        if (state == SECTOR_DAMAGED || !reader->has_header ||
            !ending_fields_are_sound(reader, bytes))
                return journal_reader_damaged(reader, JOURNAL_FAULT_ENDING,
                                              JOURNAL_ENDING_OFFSET);
        kind = load_le32(bytes + ENDING_KIND);
        reader->recovering = kind == ENDING_RECOVERING;
        reader->ending = reader->recovering ? 0 : kind;
        reader->ending_time = load_le64(bytes + ENDING_TIME);
        memcpy(reader->recovering_boot, bytes + ENDING_BOOT, JOURNAL_BOOT_ID_SIZE);
        return 0;
}

/* What the fields of one record cannot tell: its place among the others. */
static bool record_continues(struct journal_reader *reader,
                             const struct journal_record *record, uint64_t previous,
                             uint64_t sequence)
{
        if (record->previous != previous || record->sequence != sequence ||
            (record->kind == JOURNAL_RECORD_ASKED) != (sequence == 0))
                return false;
        if (record->kind != JOURNAL_RECORD_CHANGE)
                return true;
        if (record->change.step < reader->last_step)
                return false;
        reader->last_step = record->change.step;
        return true;
}

static uint64_t sector_after(uint64_t position)
{
        return (position + JOURNAL_SECTOR - 1) / JOURNAL_SECTOR * JOURNAL_SECTOR;
}

struct batch_scan {
        uint64_t position;
        uint64_t previous;
        uint64_t sequence;
        uint64_t switch_offset;
        bool has_switch;
};

/* One record of a batch that is being examined: 1, 0 if absent, negative errno. */
static int scan_record(struct journal_reader *reader, struct batch_scan *scan,
                       uint32_t batch, struct journal_record *record)
{
        int status = journal_reader_parse(reader, scan->position, batch, record);

        if (status <= 0)
                return status;
        if (!record_continues(reader, record, scan->previous, scan->sequence))
                return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD,
                                              scan->position);
        if (record->kind == JOURNAL_RECORD_CHANGE && record->change.is_switch) {
                if (scan->has_switch)
                        return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD,
                                                      scan->position);
                scan->has_switch = true;
                scan->switch_offset = record->change.offset;
        }
        scan->previous = scan->position;
        scan->sequence++;
        scan->position = reader->next_position;
        return 1;
}

/* One batch from scan->position on: 1 if it is closed, 0 if not, negative errno. */
static int scan_batch(struct journal_reader *reader, struct batch_scan *scan,
                      uint32_t batch)
{
        struct journal_record record;
        uint64_t count = 0;
        int status;

        reader->batch_crc = 0;
        while ((status = scan_record(reader, scan, batch, &record)) == 1 &&
               record.kind != JOURNAL_RECORD_CLOSE)
                count++;
        if (status <= 0)
                return status;
        if (record.close.count != count ||
            load_le32(reader->record + CLOSE_CRC) != reader->batch_crc)
                return journal_reader_damaged(reader, JOURNAL_FAULT_BATCH,
                                              record.position);
        reader->closed_batches = batch;
        reader->records = scan->sequence;
        reader->last_close = record.position;
        reader->close_time = record.close.time;
        reader->has_switch = scan->has_switch;
        reader->switch_offset = scan->switch_offset;
        scan->position = sector_after(scan->position);
        return 1;
}

/*
 * The last sector of the hole that an absent sector lies in, else that sector.  Whoever
 * may write a journal could make it a hole of 8 EiB, which would take years to read.
 */
static uint64_t skip_hole(int fd, uint64_t index)
{
        off_t data;

        if (index % HOLE_SECTORS) /* holes are whole blocks: ask once for each */
                return index;
        data = lseek(fd, (off_t)(index * JOURNAL_SECTOR), SEEK_DATA);
        if (data < 0)
                data = errno == ENXIO ? lseek(fd, 0, SEEK_END) : 0;
        if (data < 0 || (uint64_t)data / JOURNAL_SECTOR <= index)
                return index;
        return (uint64_t)data / JOURNAL_SECTOR - 1;
}

/* Behind the last closed batch: nothing but torn writes of batch `unclosed`. */
static int scan_tail(struct journal_reader *reader, uint64_t index, uint32_t unclosed)
{
        for (;; index++) {
                enum sector_state state;
                const uint8_t *bytes;
                int error = journal_reader_sector(reader, index, &bytes, &state);

                if (error || state == SECTOR_END)
                        return error;
                if (state == SECTOR_DAMAGED)
                        return journal_reader_damaged(reader, JOURNAL_FAULT_SECTOR,
                                                      index * JOURNAL_SECTOR);
                if (state == SECTOR_ABSENT)
                        index = skip_hole(reader->fd, index);
                if (state == SECTOR_ABSENT ||
                    (reader->has_header && load_le64(bytes + SECTOR_TAG) != reader->tag))
                        continue;
                if (load_le32(bytes + SECTOR_BATCH) != unclosed)
                        return journal_reader_damaged(reader, JOURNAL_FAULT_MISSING,
                                                      index * JOURNAL_SECTOR);
        }
}

static int scan_batches(struct journal_reader *reader)
{
        struct batch_scan scan = {.position = JOURNAL_RECORDS_OFFSET};
        uint64_t start = scan.position;
        int status;

        if (!reader->has_header)
                return scan_tail(reader, start / JOURNAL_SECTOR, 1);
        do {
                start = scan.position;
                status = scan_batch(reader, &scan, reader->closed_batches + 1);
        } while (status == 1 && reader->closed_batches < UINT32_MAX);
        if (status < 0)
                return status;
        return scan_tail(reader, start / JOURNAL_SECTOR, reader->closed_batches + 1);
}

static int nothing(void)
{
        return 0;
}

static int (*prepare_to_read)(void) = nothing;

void journal_before_reading(int (*prepare)(void))
{
        prepare_to_read = prepare;
}

int journal_reader_open(struct journal_reader *reader, int fd)
{
        int error;

        /* Field by field: the buffers are large, and need no clearing. */
        memset(reader, 0, offsetof(struct journal_reader, window));
        reader->fd = fd;
        error = prepare_to_read();
        if (!error)
                error = read_header(reader);
        if (!error)
                error = read_ending(reader);
        if (!error)
                error = scan_batches(reader);
        return error;
}

/* ---- stepping through ----------------------------------------------------- */

/* Everything in a closed batch was there when the file was examined. */
int journal_reader_seek(struct journal_reader *reader, uint64_t position, uint32_t batch,
                        struct journal_record *record)
{
        int status = journal_reader_parse(reader, position, batch, &reader->current);

        if (status == 0)
                return journal_reader_damaged(reader, JOURNAL_FAULT_MISSING, position);
        if (status == 1)
                *record = reader->current;
        return status;
}

int journal_reader_first(struct journal_reader *reader, struct journal_record *record)
{
        if (reader->closed_batches == 0)
                return 0;
        return journal_reader_seek(reader, JOURNAL_RECORDS_OFFSET, 1, record);
}

int journal_reader_next(struct journal_reader *reader, struct journal_record *record)
{
        uint64_t position = reader->next_position;
        uint32_t batch = reader->next_batch;

        if (reader->current.position == reader->last_close)
                return 0;
        if (reader->current.kind == JOURNAL_RECORD_CLOSE) {
                position = sector_after(position);
                batch++;
        }
        return journal_reader_seek(reader, position, batch, record);
}

int journal_reader_last(struct journal_reader *reader, struct journal_record *record)
{
        if (reader->closed_batches == 0)
                return 0;
        return journal_reader_seek(reader, reader->last_close, reader->closed_batches,
                                   record);
}

/* The batch that the payload byte at file offset `position` belongs to. */
static int batch_at(struct journal_reader *reader, uint64_t position, uint32_t *batch)
{
        enum sector_state state;
        const uint8_t *bytes;
        int error =
            journal_reader_sector(reader, position / JOURNAL_SECTOR, &bytes, &state);

        if (error)
                return error;
        if (state != SECTOR_VALID || position % JOURNAL_SECTOR >= SECTOR_PAYLOAD_SIZE)
                return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD, position);
        *batch = load_le32(bytes + SECTOR_BATCH);
        return 0;
}

int journal_reader_previous(struct journal_reader *reader, struct journal_record *record)
{
        uint64_t previous = reader->current.previous;
        uint32_t batch = 0;
        int error;

        if (previous == 0)
                return 0;
        error = batch_at(reader, previous, &batch);
        return error ? error : journal_reader_seek(reader, previous, batch, record);
}
