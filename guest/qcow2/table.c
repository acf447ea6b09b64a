/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/table.h"

#include "guest/rt/checked.h"

uint64_t bitmap_bits(const struct header *header, uint32_t granularity_bits)
{
        return divide_up(header_disk_size(header), 1ull << granularity_bits);
}

uint64_t bitmap_bytes(const struct header *header, uint32_t granularity_bits)
{
        return divide_up(bitmap_bits(header, granularity_bits), 8);
}

uint64_t bitmap_table_entries(const struct header *header, uint32_t granularity_bits)
{
        return divide_up(bitmap_bytes(header, granularity_bits), header->cluster_size);
}

uint64_t bitmap_tail_start(const struct header *header, uint32_t granularity_bits)
{
        uint64_t used =
            bitmap_bits(header, granularity_bits) % (header->cluster_size * 8ull);
        return used ? used / 64 * 8 : header->cluster_size;
}

bool bitmap_size_allowed(const struct header *header, uint32_t granularity_bits)
{
        uint64_t entries = bitmap_table_entries(header, granularity_bits);
        return entries <= QCOW2_MAX_TABLE_ENTRIES &&
               entries <= QCOW2_MAX_BITMAP_BYTES / header->cluster_size;
}

uint64_t table_clusters(const struct header *header, uint64_t entries)
{
        return divide_up(entries * 8, header->cluster_size);
}

enum table_entry_kind table_entry_kind(const struct header *header, uint64_t entry,
                                       uint64_t file_end)
{
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        if (!entry)
                return TABLE_ENTRY_ZEROS;
        if (entry == QCOW2_TABLE_ALL_ONES)
                return TABLE_ENTRY_ONES;
        if (entry != offset || offset % header->cluster_size ||
            offset < header->cluster_size ||
            !range_inside(offset, header->cluster_size, file_end))
                return TABLE_ENTRY_INVALID;
        return TABLE_ENTRY_DATA;
}
