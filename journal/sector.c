/* SPDX-License-Identifier: MIT */
#include "journal/sector.h"

#include "journal/bytes.h"
#include "journal/crc32c.h"
#include "journal/journal.h"

/* The sector's number is part of the sum, so a sector that landed in the wrong
 * place does not pass. */
static uint32_t sector_sum(const uint8_t *sector, uint64_t index)
{
        uint8_t number[8];

        store_le64(number, index);
        return crc32c(crc32c(0, sector, SECTOR_CRC), number, sizeof number);
}

void journal_sector_seal(uint8_t *sector, uint64_t index)
{
        store_le32(sector + SECTOR_CRC, sector_sum(sector, index));
}

void journal_sector_seal_batch(uint8_t *sector, uint64_t index, uint64_t tag,
                               uint32_t batch)
{
        store_le64(sector + SECTOR_TAG, tag);
        store_le32(sector + SECTOR_BATCH, batch);
        journal_sector_seal(sector, index);
}

enum sector_state journal_sector_examine(const uint8_t *sector, uint64_t index)
{
        if (all_zero(sector, JOURNAL_SECTOR))
                return SECTOR_ABSENT;
        if (load_le32(sector + SECTOR_CRC) != sector_sum(sector, index))
                return SECTOR_DAMAGED;
        return SECTOR_VALID;
}

uint64_t journal_sector_advance(uint64_t position, uint64_t length)
{
        uint64_t within = position % JOURNAL_SECTOR + length;

        return position - position % JOURNAL_SECTOR +
               within / SECTOR_PAYLOAD_SIZE * JOURNAL_SECTOR +
               within % SECTOR_PAYLOAD_SIZE;
}
