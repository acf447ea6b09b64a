/* SPDX-License-Identifier: MIT */
/*
 * A platform that records: every ring copies the doorbell, and answers ABI_READ with
 * bytes that tell their offset in the image.
 */
#ifndef INSTAR_TESTS_UNIT_RT_PLATFORM_H
#define INSTAR_TESTS_UNIT_RT_PLATFORM_H

#include <stdbool.h>

#include "guest/rt/platform.h"

#define PLATFORM_ARENA     (8u << 20)
#define PLATFORM_MAX_RINGS 8u

struct platform {
        unsigned rings;
        struct abi_doorbell doorbells[PLATFORM_MAX_RINGS]; /* as they were rung */
        bool answer_reads;
};

extern struct platform platform;

/* Forget all rings, clear the arena, start the guest's runtime afresh. */
void platform_reset(void);

/* What a read of the image gives at this offset. */
uint8_t platform_image_byte(uint64_t offset);

#endif
