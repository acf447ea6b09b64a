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
        if (offset <= image->capacity && size <= image->capacity - offset)
                return XXH3_64bits(image->bytes + offset, size) | 2;
        uint8_t *bytes = malloc(size);
        if (!bytes)
                abort();
        native_image_read(image, offset, bytes, size);
        uint64_t hash = XXH3_64bits(bytes, size);
        free(bytes);
        return hash | 2;
}

/* Most clusters of a disk that has grown. */
static uint64_t hash_of_zeros(const struct native_image *image, uint64_t size)
{
        static uint64_t of_size;
        static uint64_t hash;
        if (of_size != size)
                hash = hash_of(image, UINT64_MAX / 4, size);
        of_size = size;
        return hash;
}

/* Behind the end of the file there are zeros. */
static uint64_t read_cluster(const struct native_image *image, uint64_t entry,
                             uint64_t size)
{
        uint64_t offset = entry & OFFSET_MASK;
        if (entry & COMPRESSED)
                return UNKNOWN;
        if (entry & ZERO)
                return hash_of_zeros(image, size);
        if (!offset)
                return UNALLOCATED;
        return offset % size ? UNKNOWN : hash_of(image, offset, size);
}

struct tables {
        const struct native_image *image;
        uint64_t l1, l1_entries;
        uint64_t size; /* of a cluster */
        uint64_t l2;   /* the table of the clusters under way; UNKNOWN, UNALLOCATED */
};

static bool l1_is_there(const struct tables *t)
{
        return t->l1 && t->l1 % t->size == 0 &&
               t->l1 + t->l1_entries * 8 <=
                   (t->image->size + t->size - 1) / t->size * t->size;
}

static uint64_t find_l2(const struct tables *t, uint64_t index)
{
        if (index >= t->l1_entries || !l1_is_there(t))
                return UNKNOWN;
        uint64_t table = peek64(t->image, t->l1 + index * 8) & OFFSET_MASK;
        if (!table)
                return UNALLOCATED;
        return table % t->size ? UNKNOWN : table;
}

static uint64_t read_at(struct tables *t, uint64_t cluster)
{
        uint64_t per_table = t->size / 8;
        if (cluster % per_table == 0)
                t->l2 = find_l2(t, cluster / per_table);
        if (t->l2 == UNKNOWN || t->l2 == UNALLOCATED)
                return t->l2;
        return read_cluster(t->image, peek64(t->image, t->l2 + cluster % per_table * 8),
                            t->size);
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
        struct tables tables = {
            .image = image, .l1 = l1, .l1_entries = entries, .size = size};
        for (uint64_t i = 0; i < disk->count; i++)
                disk->clusters[i] = read_at(&tables, i);
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
