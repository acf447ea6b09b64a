/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/all_dirty.h"

#include <string.h>

#include "guest/qcow2/table.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"

struct all_dirty all_dirty_plan(const struct header *header, uint32_t granularity_bits)
{
        uint64_t entry_bits = (uint64_t)header->cluster_size * 8;
        uint64_t rest = bitmap_bits(header, granularity_bits) % entry_bits;

        return (struct all_dirty){
            .entries = bitmap_table_entries(header, granularity_bits),
            .data_clusters = rest != 0,
            .data_bits = rest,
            .data_bytes = divide_up(rest, ABI_SECTOR * 8) * ABI_SECTOR,
        };
}

void all_dirty_store_table(const struct all_dirty *plan, uint64_t data_offset,
                           uint64_t *table)
{
        for (uint64_t i = 0; i < plan->entries; i++)
                store_be64(&table[i], QCOW2_TABLE_ALL_ONES);
        if (plan->data_clusters)
                store_be64(&table[plan->entries - 1], data_offset);
}

void all_dirty_store_data(const struct all_dirty *plan, uint8_t *bytes)
{
        uint64_t whole = plan->data_bits / 8;

        memset(bytes, 0, plan->data_bytes);
        memset(bytes, 0xff, whole);
        if (plan->data_bits % 8)
                bytes[whole] = (uint8_t)((1u << plan->data_bits % 8) - 1);
}
