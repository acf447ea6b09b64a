/* SPDX-License-Identifier: MIT */
/* A look at the directory that takes everything as it is, and ends in any case. */
#include "fuzz/harness/guest_names.h"

#include <string.h>

#include "tests/native/image_maker.h"

#define TYPE_BITMAPS 0x23852875u
#define MAX_RECORDS  32u

static uint32_t peek32(const struct native_image *image, uint64_t offset)
{
        return (uint32_t)(peek64(image, offset) >> 32);
}

/* The directory's offset; 0 where no extension tells. */
static uint64_t find_directory(const struct native_image *image)
{
        uint64_t at = peek32(image, 100);
        for (uint32_t i = 0; i < MAX_RECORDS; i++) {
                if (peek32(image, at) == TYPE_BITMAPS)
                        return peek64(image, at + 24);
                at += 8 + (((uint64_t)peek32(image, at + 4) + 7) & ~7ull);
        }
        return 0;
}

static uint32_t own_name(const struct native_image *image, uint8_t choice, uint8_t *name)
{
        uint64_t at = find_directory(image);
        if (!at || at >= image->size)
                return 0;
        for (;; choice--) {
                uint32_t extra = peek32(image, at + 20);
                uint32_t length = peek32(image, at + 16) & 0xffff;
                if (!length || length > ABI_MAX_NAME || extra > ABI_MAX_NAME)
                        return 0;
                if (!choice) {
                        native_image_read(image, at + 24 + extra, name, length);
                        return length;
                }
                at += (24ull + extra + length + 7) & ~7ull;
        }
}

static uint32_t odd_name(uint8_t choice, uint8_t *name)
{
        static const uint16_t lengths[] = {1, 2, 3, 7, 8, 9, 40, 255, 488, 1022, 1023};
        uint32_t kinds = sizeof lengths / sizeof lengths[0];
        uint32_t length = lengths[choice % kinds];
        memset(name, 'n' + choice % 2, length);
        name[length - 1] = choice % 3 ? (uint8_t)('a' + choice % 8) : 0;
        return length;
}

uint32_t guest_name(const struct native_image *image, uint8_t choice, uint8_t *name)
{
        uint32_t length = choice < 128 ? own_name(image, choice, name) : 0;
        return length ? length : odd_name(choice, name);
}

void guest_sources(const struct native_image *image, const uint8_t *choices,
                   uint32_t count, struct abi_call *call)
{
        uint8_t name[ABI_MAX_NAME];
        uint32_t used = 0;
        for (uint32_t i = 0; i < count; i++) {
                uint32_t length = guest_name(image, choices[i], name);
                if (length > ABI_NAMES_POOL - used)
                        return;
                memcpy(call->names + used, name, length);
                call->source_offset[i] = (uint16_t)used;
                call->source_length[i] = (uint16_t)length;
                call->source_count = i + 1;
                used += length;
        }
}
