/* SPDX-License-Identifier: MIT */
/* Reports to the user (guest/abi_report.h): gathered in a buffer, sent together. */
#ifndef INSTAR_GUEST_RT_REPORT_H
#define INSTAR_GUEST_RT_REPORT_H

#include <stdbool.h>

#include "guest/abi.h"

/* Take a buffer of `capacity` bytes, at least ABI_MAX_REPORT, from the arena; false if
 * there is none. */
bool report_start(uint64_t capacity);

/*
 * Room for a report of `length` bytes, 1 to ABI_MAX_REPORT, of this kind.  The caller
 * fills it before it adds another one, rings the doorbell or ends the program.
 */
void *report_add(enum abi_report_kind kind, uint64_t length);

#endif
