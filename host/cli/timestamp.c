/* SPDX-License-Identifier: MIT */
#include "host/cli/timestamp.h"

#include <string.h>
#include <time.h>

void timestamp(uint64_t nanoseconds, char text[TIMESTAMP_SIZE])
{
        time_t seconds = (time_t)(nanoseconds / 1000000000u);
        struct tm broken_down;

        if (!gmtime_r(&seconds, &broken_down) ||
            !strftime(text, TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &broken_down))
                strcpy(text, "unknown");
}
