/* SPDX-License-Identifier: MIT */
/* Change a journal's first two sectors so that they are still valid. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_PATCH_H
#define INSTAR_TESTS_UNIT_JOURNAL_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/journal.h"

/* Change bytes of sector 0 or 1 and give it a checksum that holds. */
void patch_sector(const struct journal_place *place, uint64_t sector, size_t at,
                  const void *bytes, size_t length);

/* The mark that a recovery makes before it writes. */
void patch_mark(const struct journal_place *place, uint64_t time,
                const uint8_t boot[JOURNAL_BOOT_ID_SIZE]);

#endif
