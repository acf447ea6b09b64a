/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/image.h"

#include <string.h>

#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

typedef enum abi_code header_reader(uint64_t file_size, struct header *header,
                                    struct header_bytes *bytes);

static enum abi_code open(struct image *image, uint64_t file_size, bool block_device,
                          header_reader *read)
{
        memset(image, 0, sizeof *image);
        image->file_size = file_size;
        image->block_device = block_device;
        struct header *h = &image->header;
        /* Everything below rounds up to clusters, the largest of which are 2 MiB. */
        if (!checked_round_up(file_size, 1ull << QCOW2_MAX_CLUSTER_BITS,
                              &image->file_end))
                return ABI_OVERFLOW;
        enum abi_code code = read(file_size, h, &image->header_bytes);
        if (code)
                return code;
        image->file_end = header_file_end(h, file_size);
        if ((code = directory_queue_read(h, &image->directory)) ||
            (code = refcounts_queue_table(h, file_size, &image->refcounts)))
                return code;
        read_flush();
        return directory_check(h, &image->directory);
}

enum abi_code image_open(struct image *image, uint64_t file_size, bool block_device)
{
        return open(image, file_size, block_device, header_read);
}

enum abi_code image_open_any(struct image *image, uint64_t file_size, bool block_device)
{
        return open(image, file_size, block_device, header_read_any);
}

enum abi_code image_look(struct image *image, uint64_t file_size)
{
        memset(image, 0, sizeof *image);
        image->file_size = file_size;
        struct header *h = &image->header;
        if (!checked_round_up(file_size, 1ull << QCOW2_MAX_CLUSTER_BITS,
                              &image->file_end))
                return ABI_OVERFLOW;
        enum abi_code code = header_look(file_size, h, &image->header_bytes);
        if (code)
                return code;
        image->file_end = header_file_end(h, file_size);
        if ((code = directory_queue_read(h, &image->directory)))
                return code;
        read_flush();
        return directory_check(h, &image->directory);
}

bool bitmap_is_unusable(const struct image *image, const struct directory_entry *entry)
{
        return header_is_stale(&image->header) || entry->flags & QCOW2_BITMAP_IN_USE ||
               (entry->extra_length && !(entry->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE));
}
