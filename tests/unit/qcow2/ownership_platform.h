/* SPDX-License-Identifier: MIT */
/*
 * The platform of the ownership tests: an image in memory behind the doorbell, and
 * an arena whose size a test can choose.  Include it in one file of a program.
 */
#ifndef INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_PLATFORM_H
#define INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_PLATFORM_H

#include <stdlib.h>
#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/platform.h"

#define PLATFORM_ARENA (64ull << 20)

static const uint8_t *platform_image;
static uint64_t platform_image_size;
static uint64_t platform_rings;
static uint64_t platform_bytes_read;
static uint64_t platform_arena_size = PLATFORM_ARENA;
static struct abi_call platform_call;
static struct abi_doorbell platform_doorbell;
static uint8_t platform_arena[PLATFORM_ARENA] __attribute__((aligned(4096)));

const struct abi_call *rt_call(void)
{
        return &platform_call;
}

struct abi_doorbell *rt_doorbell(void)
{
        return &platform_doorbell;
}

uint8_t *rt_arena_base(void)
{
        return platform_arena;
}

uint64_t rt_arena_size(void)
{
        return platform_arena_size;
}

/* As the host does it: bytes behind the end of the file read as zeros; a range that
 * overflows ends the program. */
static void platform_read(const struct abi_request *request)
{
        uint8_t *to = (uint8_t *)(uintptr_t)request->addr;
        uint64_t end, have = 0;
        if (__builtin_add_overflow(request->offset, request->length, &end))
                abort();
        if (request->offset < platform_image_size)
                have = platform_image_size - request->offset;
        if (have > request->length)
                have = request->length;
        if (have)
                memcpy(to, platform_image + request->offset, have);
        memset(to + have, 0, request->length - have);
        platform_bytes_read += request->length;
}

void rt_ring(void)
{
        platform_rings++;
        for (uint32_t i = 0; i < platform_doorbell.count; i++) {
                if (platform_doorbell.requests[i].op == ABI_READ)
                        platform_read(&platform_doorbell.requests[i]);
                else if (platform_doorbell.requests[i].op != ABI_POPULATE)
                        abort();
        }
}

/* A fresh run over `size` bytes at `image`, with `arena_size` bytes of arena. */
static void platform_start(const uint8_t *image, uint64_t size, uint64_t arena_size)
{
        platform_image = image;
        platform_image_size = size;
        platform_rings = 0;
        platform_bytes_read = 0;
        platform_arena_size = arena_size;
        doorbell_reset();
        arena_release(0); /* rather than arena_reset(): it clears what was used */
}

#endif
