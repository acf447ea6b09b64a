/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_batch.h"

#include <string.h>

#include "journal/bytes.h"
#include "journal/crc32c.h"
#include "journal/format.h"
#include "journal/sector.h"

#define ASKED  "bitmap --add /disk b"
#define PATH   "/disk"
#define MARGIN 1024u /* of the file's room: for a closing record */

const struct journal_identity journal_made_identity = {
    .kind = JOURNAL_IDENTITY_HANDLE,
    .length = 12,
    .bytes = {1, 0, 0, 0, 'i', 'm', 'a', 'g', 'e', 0, 0, 1},
};

static const uint8_t transaction[JOURNAL_ID_SIZE] = "a transaction's";

static uint64_t position(const struct journal_batch *batch, uint64_t payload)
{
        return (batch->first + payload / SECTOR_PAYLOAD_SIZE) * JOURNAL_SECTOR +
               payload % SECTOR_PAYLOAD_SIZE;
}

/* ---- the first two sectors -------------------------------------------------------- */

static void make_header(uint8_t *sector, const struct journal_input *input)
{
        memcpy(sector + HEADER_MAGIC, JOURNAL_MAGIC, JOURNAL_MAGIC_SIZE);
        store_le32(sector + HEADER_VERSION, JOURNAL_FORMAT_VERSION);
        memcpy(sector + HEADER_TRANSACTION, transaction, sizeof transaction);
        store_le64(sector + HEADER_OLD_SIZE, input->old_size);
        store_le64(sector + HEADER_FINAL_SIZE, input->final_size);
        store_le32(sector + HEADER_IDENTITY_KIND, journal_made_identity.kind);
        store_le32(sector + HEADER_IDENTITY_LENGTH, journal_made_identity.length);
        memcpy(sector + HEADER_IDENTITY, journal_made_identity.bytes,
               journal_made_identity.length);
        journal_sector_seal(sector, 0);
}

static void make_ending(uint8_t *sector, uint32_t kind)
{
        if (!kind)
                return;
        memcpy(sector + ENDING_MAGIC, JOURNAL_ENDING_MAGIC, JOURNAL_MAGIC_SIZE);
        store_le32(sector + ENDING_KIND, kind);
        memcpy(sector + ENDING_TRANSACTION, transaction, sizeof transaction);
        journal_sector_seal(sector, 1);
}

void journal_batch_begin(struct journal_batch *batch, struct journal_made *made,
                         const struct journal_input *input)
{
        memset(batch, 0, offsetof(struct journal_batch, payload));
        batch->made = made;
        batch->tag = load_le64(transaction);
        batch->number = 1;
        batch->first = JOURNAL_RECORDS_OFFSET / JOURNAL_SECTOR;
        memset(made->bytes, 0, JOURNAL_RECORDS_OFFSET);
        made->length = JOURNAL_RECORDS_OFFSET;
        make_header(made->bytes, input);
        make_ending(made->bytes + JOURNAL_ENDING_OFFSET, input->ending);
        uint8_t *record = journal_batch_record(
            batch, JOURNAL_RECORD_ASKED, ASKED_TEXT + padded_to_8(sizeof ASKED PATH - 1));
        store_le32(record + ASKED_LENGTH, sizeof ASKED - 1);
        store_le32(record + ASKED_PATH, sizeof PATH - 1);
        memcpy(record + ASKED_TEXT, ASKED PATH, sizeof ASKED PATH - 1);
}

/* ---- records ---------------------------------------------------------------------- */

uint8_t *journal_batch_record(struct journal_batch *batch, uint32_t kind, uint64_t size)
{
        uint64_t end = position(batch, batch->fill + size);
        if (end > JOURNAL_INPUT_MAX_JOURNAL - MARGIN)
                return NULL;
        uint8_t *record = batch->payload + batch->fill;
        memset(record, 0, size);
        store_le32(record + RECORD_KIND, kind);
        store_le64(record + RECORD_SEQUENCE, batch->sequence++);
        store_le64(record + RECORD_PREVIOUS, batch->previous);
        batch->previous = position(batch, batch->fill);
        batch->last = batch->fill;
        batch->fill += size;
        batch->count++;
        return record;
}

/* The payload into the file, sector by sector. */
static void write_sectors(struct journal_batch *batch)
{
        struct journal_made *made = batch->made;
        uint64_t sectors = (batch->fill + SECTOR_PAYLOAD_SIZE - 1) / SECTOR_PAYLOAD_SIZE;
        memset(batch->payload + batch->fill, 0,
               sectors * SECTOR_PAYLOAD_SIZE - batch->fill);
        for (uint64_t i = 0; i < sectors; i++) {
                uint8_t *sector = made->bytes + (batch->first + i) * JOURNAL_SECTOR;
                memcpy(sector, batch->payload + i * SECTOR_PAYLOAD_SIZE,
                       SECTOR_PAYLOAD_SIZE);
                journal_sector_seal_batch(sector, batch->first + i, batch->tag,
                                          batch->number);
        }
        batch->first += sectors;
        made->length = batch->first * JOURNAL_SECTOR;
        batch->fill = 0;
        batch->last = 0;
        batch->count = 0;
}

void journal_batch_close(struct journal_batch *batch, uint64_t more_records,
                         uint32_t more_batches)
{
        uint64_t count = batch->count;
        uint8_t *record = journal_batch_record(batch, JOURNAL_RECORD_CLOSE, CLOSE_SIZE);
        if (!record)
                return;
        store_le32(record + CLOSE_BATCH, batch->number + more_batches);
        store_le64(record + CLOSE_COUNT, count + more_records);
        store_le32(record + CLOSE_CRC,
                   crc32c(0, batch->payload, batch->last + CLOSE_CRC));
        write_sectors(batch);
        batch->number++;
}

void journal_batch_end(struct journal_batch *batch)
{
        if (batch->fill)
                write_sectors(batch);
        batch->made->size = batch->made->length;
}
