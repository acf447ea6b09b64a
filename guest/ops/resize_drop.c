/* SPDX-License-Identifier: MIT */
/* What the entries of an L2 table refer to, that are going to be dropped. */
#include <string.h>

#include "guest/ops/resize_state.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"

static enum abi_code damaged(uint64_t offset)
{
        return resize_refuse(ABI_RESIZE_DAMAGED, offset);
}

enum abi_code resize_drop_run(struct resize *r, uint64_t first, uint64_t count)
{
        struct range_list *runs = &r->dropped.runs;
        if (range_list_append(runs, first, count))
                return ABI_OK;
        if (!range_list_grow(runs))
                return ABI_TOO_LARGE;
        range_list_append(runs, first, count);
        return ABI_OK;
}

/* One reference to one cluster: never joined with its neighbours, so that they can be
 * counted. */
static enum abi_code drop_reference(struct resize *r, uint64_t cluster)
{
        struct range_list *list = &r->dropped.compressed;
        if (list->count == list->capacity && !range_list_grow(list))
                return ABI_TOO_LARGE;
        list->ranges[list->count++] = (struct cluster_range){cluster, 1};
        return ABI_OK;
}

/* "Compressed Clusters Descriptor": see contest_compressed() of l2_scan.c. */
static enum abi_code drop_compressed(struct resize *r, uint64_t entry)
{
        uint32_t bits = r->image->header.cluster_bits;
        uint32_t x = 62 - (bits - 8);
        uint64_t start = (entry & ((1ull << x) - 1)) & ~511ull;
        uint64_t sectors = ((entry & (QCOW2_L2_COMPRESSED - 1)) >> x) + 1;
        uint64_t last = (start + sectors * 512 - 1) >> bits; /* below 2^61 + 2^23 */
        enum abi_code code = ABI_OK;
        for (uint64_t c = start >> bits; c <= last && !code; c++)
                code = drop_reference(r, c);
        return code;
}

static enum abi_code drop_entry(struct resize *r, uint64_t entry, uint64_t table)
{
        const struct header *h = &r->image->header;
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        uint64_t reserved =
            QCOW2_L2_RESERVED | (r->entry_bytes == 16 ? QCOW2_L2_ZERO : 0);
        if (entry & QCOW2_L2_COMPRESSED)
                return drop_compressed(r, entry);
        if (entry & reserved || offset % h->cluster_size)
                return damaged(table);
        return offset ? resize_drop_run(r, offset >> h->cluster_bits, 1) : ABI_OK;
}

enum abi_code resize_drop_entries(struct resize *r, uint8_t *table, uint64_t offset,
                                  uint64_t first, uint64_t end, bool *any)
{
        enum abi_code code = ABI_OK;
        *any = false;
        for (uint64_t i = first; i < end && !code; i++) {
                uint8_t *entry = table + i * r->entry_bytes;
                uint64_t value = load_be64(entry);
                *any = *any || value || (r->entry_bytes == 16 && load_be64(entry + 8));
                if (value)
                        code = drop_entry(r, value, offset);
                memset(entry, 0, r->entry_bytes);
        }
        return code;
}

enum abi_code resize_table_offset(const struct resize *r, uint64_t index,
                                  uint64_t *offset)
{
        const struct header *h = &r->image->header;
        uint64_t entry = load_be64(r->old_l1 + index * 8);
        *offset = entry & QCOW2_OFFSET_MASK;
        if (entry & QCOW2_L1_RESERVED || *offset % h->cluster_size ||
            (*offset && !range_inside(*offset, h->cluster_size, r->image->file_end)))
                return damaged(h->l1_offset);
        return ABI_OK;
}
