/* SPDX-License-Identifier: MIT */
#include "host/cli/size_text.h"

#include <stdio.h>

#define UNITS (sizeof units / sizeof units[0])

void size_text(uint64_t size, char text[SIZE_TEXT_SIZE])
{
        static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                            "TiB", "PiB", "EiB"};
        double value = (double)size;
        unsigned unit = 0;

        /* At 1000, not at 1024: the number never takes four digits. */
        while (value >= 1000 && unit < UNITS - 1) {
                value /= 1024;
                unit++;
        }
        snprintf(text, SIZE_TEXT_SIZE, "%0.3g %s", value, units[unit]);
}
