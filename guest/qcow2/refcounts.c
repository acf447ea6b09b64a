/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/refcounts.h"

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

#define ENTRIES_PER_SECTOR (ABI_SECTOR / 8)

enum abi_code refcounts_queue_table(const struct header *header, uint64_t file_size,
                                    struct refcounts *rc)
{
        rc->header = header;
        rc->file_end = header_file_end(header, file_size);
        rc->block_bits = header->cluster_bits - 1;
        rc->table_entries = header->refcount_table_clusters * header->cluster_size / 8;
        rc->table = arena_alloc(rc->table_entries * 8);
        if (!rc->table)
                return ABI_TOO_LARGE;
        /* One entry more than the file needs: its next cluster may be another block's. */
        uint64_t clusters = rc->file_end >> header->cluster_bits;
        uint64_t wanted = (clusters >> rc->block_bits) + 1;
        wanted = divide_up(wanted, ENTRIES_PER_SECTOR) * ENTRIES_PER_SECTOR;
        rc->entries_read = wanted < rc->table_entries ? wanted : rc->table_entries;
        read_queue(header->refcount_table_offset, rc->table, rc->entries_read * 8);
        return ABI_OK;
}

void refcounts_read_table(struct refcounts *rc, uint64_t index)
{
        if (index < rc->entries_read || rc->entries_read == rc->table_entries)
                return;
        uint64_t wanted = divide_up(index + 1, ENTRIES_PER_SECTOR) * ENTRIES_PER_SECTOR;
        if (wanted > rc->table_entries)
                wanted = rc->table_entries;
        read_queue(rc->header->refcount_table_offset + rc->entries_read * 8,
                   rc->table + rc->entries_read, (wanted - rc->entries_read) * 8);
        read_flush();
        rc->entries_read = wanted;
}

enum abi_code refcounts_block(struct refcounts *rc, uint64_t index, uint64_t *offset)
{
        if (index < rc->planned_entries && rc->planned[index]) {
                *offset = rc->planned[index];
                return ABI_OK;
        }
        *offset = 0;
        if (index >= rc->table_entries)
                return ABI_OK;
        refcounts_read_table(rc, index);
        uint64_t entry = load_be64(&rc->table[index]);
        if (entry % rc->header->cluster_size ||
            (entry && (entry < rc->header->cluster_size ||
                       !range_inside(entry, rc->header->cluster_size, rc->file_end))))
                return fail(ABI_BAD_REFCOUNTS, entry, 0, ABI_REFCOUNT_BLOCK, 0);
        *offset = entry;
        return ABI_OK;
}

/* Where a cluster's refcount is: the sector's offset (0: no block) and the
 * position in it. */
static enum abi_code locate(struct refcounts *rc, uint64_t cluster, uint64_t *sector,
                            uint32_t *position)
{
        uint64_t block;
        enum abi_code code = refcounts_block(rc, cluster >> rc->block_bits, &block);
        if (code)
                return code;
        uint64_t byte = (cluster & ((1ull << rc->block_bits) - 1)) * 2;
        *sector = block ? block + byte / ABI_SECTOR * ABI_SECTOR : 0;
        *position = (uint32_t)(byte % ABI_SECTOR);
        return ABI_OK;
}

static bool is_planned(const struct refcounts *rc, uint64_t cluster)
{
        uint64_t index = cluster >> rc->block_bits;
        return index < rc->planned_entries && rc->planned[index];
}

enum abi_code refcounts_want(struct refcounts *rc, uint64_t first, uint64_t count)
{
        const uint64_t step = ABI_SECTOR / 2;
        for (uint64_t c = first; c < first + count; c = (c / step + 1) * step) {
                uint64_t sector;
                uint32_t position;
                enum abi_code code = locate(rc, c, &sector, &position);
                if (!code && sector && !is_planned(rc, c))
                        code = sectors_want(&rc->sectors, sector);
                if (code)
                        return code;
        }
        return ABI_OK;
}

void refcounts_load(struct refcounts *rc)
{
        sectors_load(&rc->sectors);
}

static enum abi_code get_sector(struct refcounts *rc, uint64_t cluster,
                                struct sector **sector, uint32_t *position)
{
        uint64_t offset;
        enum abi_code code = locate(rc, cluster, &offset, position);
        *sector = 0;
        if (code || !offset)
                return code;
        if (is_planned(rc, cluster))
                return sectors_get_fresh(&rc->sectors, offset, sector);
        return sectors_get(&rc->sectors, offset, sector);
}

enum abi_code refcount_get(struct refcounts *rc, uint64_t cluster, uint16_t *value)
{
        struct sector *sector;
        uint32_t position;
        enum abi_code code = get_sector(rc, cluster, &sector, &position);
        *value = !code && sector ? load_be16(sector->now + position) : 0;
        return code;
}

enum abi_code refcount_set(struct refcounts *rc, uint64_t first, uint64_t count,
                           uint16_t value)
{
        for (uint64_t c = first; c < first + count; c++) {
                struct sector *sector;
                uint32_t position;
                enum abi_code code = get_sector(rc, c, &sector, &position);
                if (code)
                        return code;
                if (!sector)
                        return ABI_OVERFLOW; /* the allocator plans every block first */
                store_be16(sector->now + position, value);
        }
        return ABI_OK;
}

bool refcounts_overlap(const struct refcounts *rc, uint64_t offset, uint64_t length)
{
        for (uint64_t i = 0; i < rc->entries_read; i++) {
                uint64_t block = load_be64(&rc->table[i]);
                if (block && block <= UINT64_MAX - rc->header->cluster_size &&
                    ranges_overlap(block, rc->header->cluster_size, offset, length))
                        return true;
        }
        return false;
}
