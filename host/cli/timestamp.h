/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_TIMESTAMP_H
#define INSTAR_HOST_CLI_TIMESTAMP_H

#include <stdint.h>

#define TIMESTAMP_SIZE 40u

/* RFC 3339, in UTC, to the second: "2026-11-25T18:23:31Z". */
void timestamp(uint64_t nanoseconds, char text[TIMESTAMP_SIZE]);

#endif
