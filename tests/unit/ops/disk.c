/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/disk.h"

#include <stdlib.h>

#include "tests/native/image_maker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define OFFSET_MASK   0x00fffffffffffe00ull
#define COMPRESSED    (1ull << 62)
#define ZERO          1ull
#define MAX_CLUSTERS  (1ull << 17)
#define NEITHER       0x14u /* incompatible: data file, subclusters */
#define UNKNOWN       0u
#define UNALLOCATED   1u
#define ENCRYPTION_AT 32

static uint64_t hash_of(const struct native_image *image, uint64_t offset, uint64_t size)
{
        uint8_t *bytes = malloc(size);
        if (!bytes)
                abort();
        native_image_read(image, offset, bytes, size);
        uint64_t hash = XXH3_64bits(bytes, size);
        free(bytes);
        return hash | 2;
}

/* Behind the end of the file there are zeros. */
static uint64_t read_cluster(const struct native_image *image, uint64_t entry,
                             uint64_t size)
{
        uint64_t offset = entry & OFFSET_MASK;
        if (entry & COMPRESSED)
                return UNKNOWN;
        if (entry & ZERO)
                return hash_of(image, UINT64_MAX / 4, size);
        if (!offset)
                return UNALLOCATED;
        return offset % size ? UNKNOWN : hash_of(image, offset, size);
}

static uint64_t read_at(const struct native_image *image, uint64_t l1,
                        uint64_t l1_entries, uint64_t cluster, uint64_t size)
{
        uint64_t per_table = size / 8;
        if (cluster / per_table >= l1_entries || l1 % size || !l1 ||
            l1 + l1_entries * 8 > (image->size + size - 1) / size * size)
                return UNKNOWN;
        uint64_t table = peek64(image, l1 + cluster / per_table * 8) & OFFSET_MASK;
        if (!table)
                return UNALLOCATED;
        if (table % size)
                return UNKNOWN;
        return read_cluster(image, peek64(image, table + cluster % per_table * 8), size);
}

void disk_read(const struct native_image *image, struct disk *disk)
{
        disk_read_through(image, peek64(image, 40), peek64(image, 36) >> 32, disk);
}

void disk_read_through(const struct native_image *image, uint64_t l1, uint64_t entries,
                       struct disk *disk)
{
        uint64_t bits = peek64(image, 20) >> 32;
        uint64_t version = peek64(image, 4) >> 32;
        *disk = (struct disk){0};
        if (version != 3 || bits < 9 || bits > 21 || peek64(image, 72) & NEITHER ||
            peek64(image, ENCRYPTION_AT) >> 32)
                return;
        uint64_t size = 1ull << bits;
        uint64_t length = peek64(image, 24) / 512 * 512;
        if (length / size >= MAX_CLUSTERS)
                return;
        disk->count = (length + size - 1) / size;
        disk->clusters = calloc(disk->count + 1, sizeof *disk->clusters);
        if (!disk->clusters)
                abort();
        for (uint64_t i = 0; i < disk->count; i++)
                disk->clusters[i] = read_at(image, l1, entries, i, size);
}

void disk_free(struct disk *disk)
{
        free(disk->clusters);
        *disk = (struct disk){0};
}

uint64_t disk_difference(const struct disk *before, const struct disk *now)
{
        for (uint64_t i = 0; i < before->count; i++)
                if (before->clusters[i] != UNKNOWN &&
                    (i >= now->count || before->clusters[i] != now->clusters[i]))
                        return i;
        return UINT64_MAX;
}
