/* SPDX-License-Identifier: MIT */
/* The frame of a journal's sector: see format.h. */
#ifndef INSTAR_JOURNAL_SECTOR_H
#define INSTAR_JOURNAL_SECTOR_H

#include <stdint.h>

#include "journal/format.h"

enum sector_state {
        SECTOR_VALID,
        SECTOR_ABSENT,  /* all zeros, or another transaction's: never written */
        SECTOR_DAMAGED, /* neither zeros nor what its checksum says */
        SECTOR_END,     /* behind the last whole sector of the file */
};

/* Write the checksum of sector number `index` into it. */
void journal_sector_seal(uint8_t *sector, uint64_t index);

/* Write the tag and the batch's number, then the checksum. */
void journal_sector_seal_batch(uint8_t *sector, uint64_t index, uint64_t tag,
                               uint32_t batch);

/* Valid, absent or damaged, by zeros and checksum alone. */
enum sector_state journal_sector_examine(const uint8_t *sector, uint64_t index);

/* File offset of the byte that lies `length` payload bytes behind the payload byte
 * at file offset `position`.  Both must be known to be far from overflow. */
uint64_t journal_sector_advance(uint64_t position, uint64_t length);

#endif
