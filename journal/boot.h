/* SPDX-License-Identifier: MIT */
/* Which run of the system this is, and the time. */
#ifndef INSTAR_JOURNAL_BOOT_H
#define INSTAR_JOURNAL_BOOT_H

#include <stdint.h>

#include "journal/format.h"

/* The kernel's boot_id (random(4)); zeros where it does not tell, which means "not
 * known". */
void boot_id(uint8_t boot[JOURNAL_BOOT_ID_SIZE]);

/* Now (CLOCK_REALTIME): nanoseconds since the epoch; 0 where there is no answer. */
uint64_t boot_now(void);

#endif
