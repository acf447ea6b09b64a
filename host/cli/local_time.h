/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_LOCAL_TIME_H
#define INSTAR_HOST_CLI_LOCAL_TIME_H

#include <stdint.h>

#define LOCAL_TIME_SIZE 24u

/* Read the time zone; before the sandbox is armed. */
void local_time_prepare(void);

/* "2026-11-25 18:23:31" of seconds since the epoch. */
void local_time(uint32_t seconds, char text[LOCAL_TIME_SIZE]);

#endif
