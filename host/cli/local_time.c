/* SPDX-License-Identifier: MIT */
#include "host/cli/local_time.h"

#include <string.h>
#include <time.h>

#define DAY UINT32_C(86400)

/* A zone's file lists changes up to 2037; a rule for all years follows. */
#define LISTED (UINT32_C(71) * 365 * DAY)

/*
 * The zone's file is read once.  But glibc keeps the name of each kind of time in it
 * ("CET", "CEST") in memory that it allocates when it first meets one: so it is led
 * through them.
 */
void local_time_prepare(void)
{
        char text[LOCAL_TIME_SIZE];

        tzset();
        for (uint32_t seconds = 0; seconds < LISTED; seconds += 90 * DAY)
                local_time(seconds, text);
        local_time(UINT32_MAX, text);
}

void local_time(uint32_t seconds, char text[LOCAL_TIME_SIZE])
{
        const time_t time = seconds;
        struct tm broken_down;

        if (!localtime_r(&time, &broken_down) ||
            !strftime(text, LOCAL_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &broken_down))
                strcpy(text, "unknown");
}
