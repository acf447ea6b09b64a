/* SPDX-License-Identifier: MIT */
/* Inside the library: the record in sector 1 that says how a transaction stands. */
#ifndef INSTAR_JOURNAL_ENDING_H
#define INSTAR_JOURNAL_ENDING_H

#include <stdint.h>

#include "journal/format.h"

/*
 * Write it over whatever sector 1 holds, and make it durable.  `kind` is one of enum
 * journal_end, or ENDING_RECOVERING, which alone has a `boot`.  Its room was
 * written with the first batch, so this needs no space.  0 or a negative errno.
 */
int ending_write(int fd, const uint8_t transaction[JOURNAL_ID_SIZE], uint32_t kind,
                 const uint8_t *boot);

#endif
