/* SPDX-License-Identifier: MIT */
/*
 * The disk's last cluster, where the disk ends inside it and there is a backing file.
 * Once the disk is larger, the rest of that cluster is part of it and has to read as
 * zeros; what is not allocated there would show the backing file, however long that is,
 * which nobody here can know.
 */
#include <string.h>

#include "guest/ops/resize_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/reader.h"

static enum abi_code refuse(void)
{
        return resize_refuse(ABI_RESIZE_BACKING_PARTIAL, 0);
}

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
        return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* Subclusters of the cluster that are marked as zeros, one bit each; without extended
 * entries all or none. */
static uint32_t zero_subclusters(const struct resize *r, uint64_t entry, uint64_t bitmap)
{
        if (r->entry_bytes == 16)
                return (uint32_t)(bitmap >> 32);
        return entry & QCOW2_L2_ZERO ? UINT32_MAX : 0;
}

static uint32_t allocated_subclusters(const struct resize *r, uint64_t entry,
                                      uint64_t bitmap)
{
        if (!(entry & QCOW2_OFFSET_MASK))
                return 0;
        return r->entry_bytes == 16 ? (uint32_t)bitmap : UINT32_MAX;
}

/* Data is only looked at; encrypted zeros look like anything. */
static enum abi_code check_data(const struct resize *r, uint64_t offset, uint64_t length)
{
        uint8_t *bytes = arena_alloc(length);
        if (!bytes)
                return ABI_TOO_LARGE;
        if (r->image->header.crypt_method)
                return refuse();
        read_queue(offset, bytes, length);
        read_flush();
        return all_zero(bytes, length) ? ABI_OK : refuse();
}

/* [within, cluster's end) of the cluster with this L2 entry. */
static enum abi_code check_rest(const struct resize *r, uint64_t entry, uint64_t bitmap,
                                uint64_t within)
{
        uint64_t size = r->image->header.cluster_size / QCOW2_SUBCLUSTERS;
        uint32_t zeros = zero_subclusters(r, entry, bitmap);
        uint32_t data = allocated_subclusters(r, entry, bitmap);
        if (entry & QCOW2_L2_COMPRESSED)
                return refuse();
        for (uint64_t i = within / size; i < QCOW2_SUBCLUSTERS; i++) {
                uint64_t start = i * size < within ? within : i * size;
                if (zeros >> i & 1)
                        continue;
                if (!(data >> i & 1))
                        return refuse();
                enum abi_code code = check_data(r, (entry & QCOW2_OFFSET_MASK) + start,
                                                (i + 1) * size - start);
                if (code)
                        return code;
        }
        return ABI_OK;
}

enum abi_code resize_check_partial(struct resize *r)
{
        const struct header *h = &r->image->header;
        uint64_t within = r->old_size % h->cluster_size;
        uint64_t cluster = r->old_size / h->cluster_size;
        uint8_t entry[16] = {0};
        uint64_t table;
        if (!within)
                return ABI_OK;
        enum abi_code code = resize_table_offset(r, cluster / r->per_table, &table);
        if (code || !table)
                return code ? code : refuse();
        read_queue(table + cluster % r->per_table * r->entry_bytes, entry,
                   r->entry_bytes);
        read_flush();
        return check_rest(r, load_be64(entry),
                          r->entry_bytes == 16 ? load_be64(entry + 8) : 0, within);
}
