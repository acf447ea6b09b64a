/* SPDX-License-Identifier: MIT */
#include "tests/unit/qcow2/ownership_image.h"

#include <stdlib.h>
#include <string.h>

#define COPIED     (1ull << 63)
#define COMPRESSED (1ull << 62)

uint64_t crafted_offset(const struct crafted_image *image, uint64_t cluster)
{
        return cluster << image->header.cluster_bits;
}

uint64_t crafted_entry(const struct crafted_image *image, uint64_t cluster,
                       uint64_t index)
{
        return crafted_offset(image, cluster) + index * 8;
}

static void put(struct crafted_image *image, uint64_t offset, uint64_t value,
                uint32_t bytes)
{
        for (uint32_t i = 0; i < bytes; i++)
                image->bytes[offset + i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

void crafted_put32(struct crafted_image *image, uint64_t offset, uint32_t value)
{
        put(image, offset, value, 4);
}

void crafted_put64(struct crafted_image *image, uint64_t offset, uint64_t value)
{
        put(image, offset, value, 8);
}

uint64_t crafted_compressed(uint32_t cluster_bits, uint64_t offset, uint64_t length)
{
        uint64_t sectors = (offset + length - 1) / 512 - offset / 512;
        return COMPRESSED | sectors << (62 - (cluster_bits - 8)) | offset;
}

static void put_entry(struct crafted_image *image, uint64_t table, uint64_t index,
                      uint64_t cluster)
{
        crafted_put64(image, crafted_entry(image, table, index),
                      COPIED | crafted_offset(image, cluster));
}

/* The `index`th entry of an L2 table, 8 or 16 bytes long. */
static void put_l2(struct crafted_image *image, uint64_t table, uint64_t index,
                   uint64_t value)
{
        bool extended = image->header.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;
        uint64_t offset = crafted_entry(image, table, extended ? index * 2 : index);
        crafted_put64(image, offset, value);
        if (extended && !(value & COMPRESSED)) /* subclusters: a bitmap, not an offset */
                crafted_put64(image, offset + 8,
                              crafted_offset(image, CRAFTED_CLUSTERS - 1));
}

static void make_active(struct crafted_image *image)
{
        uint32_t bits = image->header.cluster_bits;
        bool data_file = image->header.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE;
        uint64_t zero =
            image->header.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 ? 0 : 1;
        uint64_t boundary = crafted_offset(image, CRAFTED_STRADDLING + 1);
        put_entry(image, CRAFTED_L1, 0, CRAFTED_L2);
        put_entry(image, CRAFTED_L1, 2, CRAFTED_SECOND_L2);
        put_l2(image, CRAFTED_L2, 0, COPIED | crafted_offset(image, CRAFTED_DATA));
        put_l2(image, CRAFTED_L2, 3,
               COPIED | zero | crafted_offset(image, CRAFTED_ZERO_FLAG_DATA));
        put_l2(image, CRAFTED_SECOND_L2, 31,
               COPIED | crafted_offset(image, CRAFTED_SECOND_DATA));
        if (data_file)
                return; /* the format forbids compressed clusters there */
        put_l2(
            image, CRAFTED_L2, 9,
            crafted_compressed(bits, crafted_offset(image, CRAFTED_COMPRESSED) + 7, 100));
        put_l2(image, CRAFTED_L2, 10, crafted_compressed(bits, boundary - 100, 101));
}

/* Fixed part, 16 bytes of extra data, id, name; gives where the next entry begins. */
static uint64_t put_snapshot(struct crafted_image *image, uint64_t offset, uint64_t l1,
                             uint32_t entries, uint32_t name)
{
        crafted_put64(image, offset, crafted_offset(image, l1));
        crafted_put32(image, offset + 8, entries);
        put(image, offset + 12, 1, 2);
        put(image, offset + 14, name, 2);
        crafted_put32(image, offset + 36, 16);
        memset(image->bytes + offset + 40 + 16, 'n', 1 + name);
        return (offset + 40 + 16 + 1 + name + 7) & ~7ull;
}

static void make_snapshots(struct crafted_image *image)
{
        image->first_snapshot = crafted_offset(image, CRAFTED_SNAPSHOT_TABLE);
        image->second_snapshot =
            put_snapshot(image, image->first_snapshot, CRAFTED_SNAPSHOT_L1, 2, 3);
        put_snapshot(image, image->second_snapshot, CRAFTED_SECOND_SNAPSHOT_L1, 1, 120);
        put_entry(image, CRAFTED_SNAPSHOT_L1, 0, CRAFTED_L2); /* shared */
        put_entry(image, CRAFTED_SNAPSHOT_L1, 1, CRAFTED_SNAPSHOT_L2);
        put_entry(image, CRAFTED_SECOND_SNAPSHOT_L1, 0, CRAFTED_L2);
        put_l2(image, CRAFTED_SNAPSHOT_L2, 17,
               crafted_offset(image, CRAFTED_SNAPSHOT_DATA));
        image->header.snapshots_offset = image->first_snapshot;
        image->header.snapshot_count = 2;
}

static void make_other_bitmap(struct crafted_image *image)
{
        crafted_put64(image, crafted_entry(image, CRAFTED_OTHER_TABLE, 0), 1); /* ones */
        crafted_put64(image, crafted_entry(image, CRAFTED_OTHER_TABLE, 2),
                      crafted_offset(image, CRAFTED_OTHER_DATA));
}

void crafted_image_make(struct crafted_image *image, uint32_t cluster_bits,
                        uint64_t incompatible)
{
        *image = (struct crafted_image){
            .size = (uint64_t)CRAFTED_CLUSTERS << cluster_bits,
            .header =
                {
                    .version = 3,
                    .cluster_bits = cluster_bits,
                    .cluster_size = 1ull << cluster_bits,
                    .size = 1ull << 30,
                    .crypt_method = 2,
                    .l1_offset = (uint64_t)CRAFTED_L1 << cluster_bits,
                    .l1_size = 3,
                    .refcount_table_offset = (uint64_t)CRAFTED_REFCOUNT_TABLE
                                             << cluster_bits,
                    .refcount_table_clusters = 1,
                    .incompatible = incompatible,
                    .refcount_order = 4,
                    .header_length = 112,
                    .has_crypto = true,
                    .crypto_offset = (uint64_t)CRAFTED_LUKS << cluster_bits,
                    .crypto_length = (1ull << cluster_bits) + 1,
                },
        };
        image->bytes = calloc(1, image->size);
        if (!image->bytes)
                abort();
        crafted_put64(image, crafted_entry(image, CRAFTED_REFCOUNT_TABLE, 0),
                      crafted_offset(image, CRAFTED_REFCOUNT_BLOCK));
        make_active(image);
        make_snapshots(image);
        make_other_bitmap(image);
}

void crafted_image_free(struct crafted_image *image)
{
        free(image->bytes);
}
