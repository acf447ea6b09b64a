/* SPDX-License-Identifier: MIT */
/*
 * One record: its payload bytes gathered from the sectors, every field checked.
 */
#include "journal/read.h"

#include <errno.h>

#include "journal/crc32c.h"

int journal_reader_damaged(struct journal_reader *reader, enum journal_fault fault,
                           uint64_t offset)
{
        reader->fault = fault;
        reader->fault_offset = offset;
        return -EBADMSG;
}

/*
 * Payload of sector `index` of batch `batch`: 1, 0 if absent, or a negative errno.  A
 * valid sector of another transaction is one that this writer's write never reached
 * (a file system may show stale blocks after a crash), so it counts as absent.
 */
static int batch_sector(struct journal_reader *reader, uint64_t index, uint32_t batch,
                        const uint8_t **bytes)
{
        enum sector_state state;
        int error = journal_reader_sector(reader, index, bytes, &state);

        if (error)
                return error;
        if (state == SECTOR_DAMAGED)
                return journal_reader_damaged(reader, JOURNAL_FAULT_SECTOR,
                                              index * JOURNAL_SECTOR);
        if (state != SECTOR_VALID || load_le64(*bytes + SECTOR_TAG) != reader->tag)
                return 0;
        /* A later batch began, so this one was closed: its sector is lost. */
        if (load_le32(*bytes + SECTOR_BATCH) != batch)
                return journal_reader_damaged(reader, JOURNAL_FAULT_MISSING,
                                              index * JOURNAL_SECTOR);
        return 1;
}

/* Copy `length` payload bytes from file offset `position`: 1, 0, or an errno. */
static int gather(struct journal_reader *reader, uint64_t position, uint32_t batch,
                  uint8_t *to, size_t length)
{
        while (length) {
                size_t within = position % JOURNAL_SECTOR;
                size_t part = SECTOR_PAYLOAD_SIZE - within;
                const uint8_t *bytes;
                int status;

                if (within >= SECTOR_PAYLOAD_SIZE)
                        return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD,
                                                      position);
                status = batch_sector(reader, position / JOURNAL_SECTOR, batch, &bytes);
                if (status <= 0)
                        return status;
                if (part > length)
                        part = length;
                memcpy(to, bytes + within, part);
                to += part;
                length -= part;
                position = journal_sector_advance(position, part);
        }
        return 1;
}

static bool change_is_sound(const struct journal_reader *reader, const uint8_t *bytes)
{
        uint64_t offset = load_le64(bytes + CHANGE_OFFSET);
        uint32_t sectors = load_le32(bytes + CHANGE_SECTORS);
        uint32_t flags = load_le32(bytes + RECORD_FLAGS);
        uint32_t old = load_le32(bytes + CHANGE_OLD);
        uint64_t limit =
            old == JOURNAL_OLD_BYTES ? CHANGE_MAX_SECTORS_BYTES : CHANGE_MAX_SECTORS;
        uint64_t end;

        if (old < JOURNAL_OLD_BYTES || old > JOURNAL_OLD_BEHIND_END || sectors == 0 ||
            sectors > limit || load_le32(bytes + CHANGE_STEP) == 0 ||
            load_le32(bytes + CHANGE_RESERVED) != 0)
                return false;
        if (offset % JOURNAL_SECTOR ||
            __builtin_add_overflow(offset, (uint64_t)sectors * JOURNAL_SECTOR, &end) ||
            end > INT64_MAX)
                return false;
        /* The last sector may reach behind a final size that is not a multiple. */
        if (end - JOURNAL_SECTOR >= reader->header.final_size)
                return false;
        if (old == JOURNAL_OLD_BEHIND_END && offset < reader->header.old_size)
                return false;
        if (flags & CHANGE_FLAG_SWITCH && sectors != 1)
                return false;
        return (flags & ~CHANGE_FLAG_SWITCH) == 0;
}

static void fill_change(const uint8_t *bytes, struct journal_record *record)
{
        uint32_t sectors = load_le32(bytes + CHANGE_SECTORS);

        record->change.offset = load_le64(bytes + CHANGE_OFFSET);
        record->change.sectors = sectors;
        record->change.step = load_le32(bytes + CHANGE_STEP);
        record->change.is_switch = load_le32(bytes + RECORD_FLAGS) & CHANGE_FLAG_SWITCH;
        record->change.old = (enum journal_old)load_le32(bytes + CHANGE_OLD);
        record->change.hashes = bytes + CHANGE_HASHES;
        record->change.old_bytes = NULL;
        if (record->change.old == JOURNAL_OLD_BYTES)
                record->change.old_bytes = bytes + CHANGE_HASHES + (size_t)sectors * 8u;
}

/* Check the fixed part in reader->record and say how long the whole record is; 0:
 * impossible.  Only RECORD_COMMON + 24 bytes are there yet. */
static size_t whole_size(const struct journal_reader *reader, uint32_t kind)
{
        const uint8_t *bytes = reader->record;
        uint32_t length = load_le32(bytes + ASKED_LENGTH);
        uint32_t path = load_le32(bytes + ASKED_PATH);
        size_t each = 8;

        switch (kind) {
        case JOURNAL_RECORD_ASKED:
                if (length > JOURNAL_ASKED_MAX || path > JOURNAL_PATH_MAX ||
                    load_le32(bytes + RECORD_FLAGS))
                        return 0;
                return ASKED_TEXT + padded_to_8((size_t)length + path);
        case JOURNAL_RECORD_CHANGE:
                if (!change_is_sound(reader, bytes))
                        return 0;
                if (load_le32(bytes + CHANGE_OLD) == JOURNAL_OLD_BYTES)
                        each += JOURNAL_SECTOR;
                return CHANGE_HASHES + load_le32(bytes + CHANGE_SECTORS) * each;
        case JOURNAL_RECORD_CLAIM:
                return load_le32(bytes + RECORD_FLAGS) ? 0 : CLAIM_SIZE;
        case JOURNAL_RECORD_CLOSE:
                if (load_le32(bytes + CLOSE_RESERVED_1) ||
                    load_le32(bytes + RECORD_FLAGS))
                        return 0;
                return CLOSE_SIZE;
        default:
                return 0;
        }
}

static bool fill_asked(const uint8_t *bytes, struct journal_record *record)
{
        size_t length;

        record->asked.length = load_le32(bytes + ASKED_LENGTH);
        record->asked.path_length = load_le32(bytes + ASKED_PATH);
        record->asked.text = bytes + ASKED_TEXT;
        record->asked.path = record->asked.text + record->asked.length;
        length = (size_t)record->asked.length + record->asked.path_length;
        return all_zero(bytes + ASKED_TEXT + length, padded_to_8(length) - length);
}

static bool fill_claim(const struct journal_reader *reader, struct journal_record *record)
{
        uint64_t end;

        record->claim.offset = load_le64(reader->record + CLAIM_OFFSET);
        record->claim.length = load_le64(reader->record + CLAIM_LENGTH);
        return record->claim.length &&
               !__builtin_add_overflow(record->claim.offset, record->claim.length,
                                       &end) &&
               end <= reader->header.final_size;
}

/* The closing record against what was summed up since the batch began. */
static int check_close(struct journal_reader *reader, struct journal_record *record)
{
        const uint8_t *bytes = reader->record;
        uint64_t rest = journal_sector_advance(record->position, CLOSE_SIZE);
        uint8_t padding[SECTOR_PAYLOAD_SIZE];
        size_t length = 0;

        record->close.count = load_le64(bytes + CLOSE_COUNT);
        record->close.time = load_le64(bytes + CLOSE_TIME);
        if (load_le32(bytes + CLOSE_BATCH) != record->batch ||
            load_le32(bytes + CLOSE_RESERVED_2))
                return journal_reader_damaged(reader, JOURNAL_FAULT_BATCH,
                                              record->position);
        if (rest % JOURNAL_SECTOR)
                length = SECTOR_PAYLOAD_SIZE - rest % JOURNAL_SECTOR;
        if (gather(reader, rest, record->batch, padding, length) != 1 ||
            !all_zero(padding, length))
                return journal_reader_damaged(reader, JOURNAL_FAULT_BATCH, rest);
        return 1;
}

int journal_reader_parse(struct journal_reader *reader, uint64_t position, uint32_t batch,
                         struct journal_record *record)
{
        size_t fixed = RECORD_COMMON + 8u;
        size_t size;
        uint32_t kind;
        int status = gather(reader, position, batch, reader->record, fixed);

        if (status <= 0)
                return status;
        kind = load_le32(reader->record + RECORD_KIND);
        if (kind == JOURNAL_RECORD_CHANGE) {
                status = gather(reader, journal_sector_advance(position, fixed), batch,
                                reader->record + fixed, CHANGE_HASHES - fixed);
                if (status <= 0)
                        return status;
                fixed = CHANGE_HASHES;
        }
        size = whole_size(reader, kind);
        if (size == 0)
                return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD, position);
        status = gather(reader, journal_sector_advance(position, fixed), batch,
                        reader->record + fixed, size - fixed);
        if (status <= 0)
                return status;

        record->kind = (enum journal_record_kind)kind;
        record->position = position;
        record->previous = load_le64(reader->record + RECORD_PREVIOUS);
        record->sequence = load_le64(reader->record + RECORD_SEQUENCE);
        record->batch = batch;
        reader->next_position = journal_sector_advance(position, size);
        reader->next_batch = batch;
        reader->batch_crc = crc32c(reader->batch_crc, reader->record,
                                   kind == JOURNAL_RECORD_CLOSE ? CLOSE_CRC : size);
        if (kind == JOURNAL_RECORD_CHANGE)
                fill_change(reader->record, record);
        else if (kind == JOURNAL_RECORD_ASKED && !fill_asked(reader->record, record))
                return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD, position);
        else if (kind == JOURNAL_RECORD_CLAIM && !fill_claim(reader, record))
                return journal_reader_damaged(reader, JOURNAL_FAULT_RECORD, position);
        else if (kind == JOURNAL_RECORD_CLOSE)
                return check_close(reader, record);
        return 1;
}
