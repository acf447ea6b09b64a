/* SPDX-License-Identifier: MIT */
#include "guest/rt/failure.h"

static uint64_t last[4];

enum abi_code fail(enum abi_code code, uint64_t first, uint64_t second, uint64_t third,
                   uint64_t fourth)
{
        last[0] = first;
        last[1] = second;
        last[2] = third;
        last[3] = fourth;
        return code;
}

void failure_details(uint64_t detail[4])
{
        for (int i = 0; i < 4; i++)
                detail[i] = last[i];
}
