/* SPDX-License-Identifier: MIT */
#include "guest/ops/merge.h"

#include <string.h>

#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"
#include "guest/rt/transaction.h"

/* Twice that and the tables fit into two huge pages. */
#define BATCH_BYTES (3ull << 19)

static uint64_t entry_of(const uint64_t *table, uint64_t index)
{
        return load_be64(&table[index]);
}

/* Every entry must be one that can be read: clean is not a safe guess. */
static enum abi_code check_table(const struct image *image, const uint64_t *table,
                                 uint64_t offset, uint64_t entries, uint64_t which)
{
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = entry_of(table, i);
                if (table_entry_kind(&image->header, entry, image->file_size) ==
                    TABLE_ENTRY_INVALID)
                        return fail(ABI_BAD_TABLE, offset, i, entry, which);
        }
        return ABI_OK;
}

static enum abi_code find_source(struct merge *m, const struct abi_call *call,
                                 uint32_t index, const struct target *target)
{
        struct bitmap_name name = {call->names + call->source_offset[index],
                                   call->source_length[index]};
        struct directory_entry entry;
        if (!name.length || name.length > QCOW2_MAX_NAME ||
            !range_inside(call->source_offset[index], name.length, ABI_NAMES_POOL))
                return ABI_NAME_TOO_LONG;
        if (!directory_find(&m->image->directory, name, &entry))
                return fail(ABI_SOURCE_NOT_FOUND, index, 0, 0, 0);
        if (bitmap_is_unusable(m->image, &entry))
                return ABI_IN_USE;
        if (entry.granularity_bits != target->granularity_bits)
                return ABI_GRANULARITY_MISMATCH;
        if (!range_inside(entry.table_offset, m->entries * 8, m->image->file_size))
                return fail(ABI_BAD_TABLE, entry.table_offset, 0, 0, index + 1);
        uint64_t *table = arena_alloc(m->entries * 8);
        if (!table)
                return ABI_TOO_LARGE;
        read_queue(entry.table_offset, table, m->entries * 8);
        m->source_tables[index] = table;
        m->source_offsets[index] = entry.table_offset;
        return ABI_OK;
}

static enum abi_code read_sources(struct merge *m, const struct abi_call *call,
                                  const struct target *target)
{
        enum abi_code code;
        m->source_count = call->source_count;
        if (!call->source_count || call->source_count > ABI_MAX_MERGE_SOURCES)
                return ABI_BAD_ACTION;
        for (uint32_t i = 0; i < m->source_count; i++)
                if ((code = find_source(m, call, i, target)))
                        return code;
        read_flush();
        for (uint32_t i = 0; i < m->source_count; i++)
                if ((code = check_table(m->image, m->source_tables[i],
                                        m->source_offsets[i], m->entries, i + 1ull)))
                        return code;
        return check_table(m->image, m->target_table, target->old.table_offset,
                           m->entries, 0);
}

static enum table_entry_kind kind_of(const struct merge *m, const uint64_t *table,
                                     uint64_t index)
{
        return table_entry_kind(&m->image->header, entry_of(table, index),
                                m->image->file_size);
}

/* Bytes of entry `index` that hold bits. */
static uint64_t used_bytes(const struct merge *m, uint64_t index)
{
        uint64_t size = m->image->header.cluster_size;
        uint64_t rest = m->bitmap_bytes - index * size;
        return rest < size ? rest : size;
}

/* Bits behind the end of the disk are zero in everything we write. */
static void mask_tail(const struct merge *m, uint64_t index, uint8_t *bytes)
{
        uint64_t used = used_bytes(m, index);
        if (index != m->entries - 1)
                return;
        memset(bytes + used, 0, m->image->header.cluster_size - used);
        bytes[used - 1] &= (uint8_t)(0xffu >> (8 - m->tail_bits));
}

/* Set every bit of the disk in this cluster. */
static void set_all(const struct merge *m, uint64_t index, uint8_t *bytes)
{
        memset(bytes, 0xff, m->image->header.cluster_size);
        mask_tail(m, index, bytes);
}

static bool all_ones(const uint8_t *bytes, uint64_t length)
{
        for (uint64_t i = 0; i < length; i += 8) {
                uint64_t word;
                memcpy(&word, bytes + i, 8);
                if (word != UINT64_MAX)
                        return false;
        }
        return true;
}

/* result |= source; true if that set a bit that was not set. */
static bool or_into(uint8_t *result, const uint8_t *source, uint64_t length)
{
        uint64_t gained = 0;
        for (uint64_t i = 0; i < length; i += 8) {
                uint64_t a;
                uint64_t b;
                memcpy(&a, result + i, 8);
                memcpy(&b, source + i, 8);
                gained |= b & ~a;
                a |= b;
                memcpy(result + i, &a, 8);
        }
        return gained;
}

/* Bring the target's bits of the batch into `result`, and queue source 0 with them. */
static void load_target(struct merge *m, uint64_t first, uint64_t count)
{
        uint64_t size = m->image->header.cluster_size;
        for (uint64_t i = 0; i < count; i++) {
                uint8_t *bytes = m->result + i * size;
                uint64_t entry = entry_of(m->target_table, first + i);
                switch (kind_of(m, m->target_table, first + i)) {
                case TABLE_ENTRY_DATA:
                        read_queue(entry & QCOW2_OFFSET_MASK, bytes, size);
                        break;
                case TABLE_ENTRY_ONES:
                        set_all(m, first + i, bytes);
                        break;
                default:
                        memset(bytes, 0, size);
                }
        }
}

static void load_source(struct merge *m, const uint64_t *table, uint64_t first,
                        uint64_t count)
{
        uint64_t size = m->image->header.cluster_size;
        for (uint64_t i = 0; i < count; i++)
                if (kind_of(m, table, first + i) == TABLE_ENTRY_DATA)
                        read_queue(entry_of(table, first + i) & QCOW2_OFFSET_MASK,
                                   m->source + i * size, size);
        read_flush();
}

static void merge_source(struct merge *m, const uint64_t *table, uint64_t first,
                         uint64_t count, bool *gained)
{
        uint64_t size = m->image->header.cluster_size;
        load_source(m, table, first, count);
        for (uint64_t i = 0; i < count; i++) {
                enum table_entry_kind kind = kind_of(m, table, first + i);
                uint8_t *source = m->source + i * size;
                if (kind == TABLE_ENTRY_ZEROS)
                        continue;
                if (kind == TABLE_ENTRY_ONES)
                        set_all(m, first + i, source);
                else
                        mask_tail(m, first + i, source);
                gained[i] = or_into(m->result + i * size, source, size) || gained[i];
        }
}

/* Work out the batch at `first`: its bits in `result`, its decisions in `out`. */
static void work_batch(struct merge *m, uint64_t first, bool *gained, uint8_t *out)
{
        uint64_t size = m->image->header.cluster_size;
        uint64_t count = m->entries - first < m->batch ? m->entries - first : m->batch;
        memset(gained, 0, count * sizeof *gained);
        load_target(m, first, count);
        for (uint32_t s = 0; s < m->source_count; s++)
                merge_source(m, m->source_tables[s], first, count, gained);
        for (uint64_t i = 0; i < count; i++) {
                uint8_t *bytes = m->result + i * size;
                out[i] = MERGE_KEEP;
                if (!gained[i])
                        continue;
                mask_tail(m, first + i, bytes); /* the target's own tail, too */
                out[i] = all_ones(bytes, size) ? MERGE_ONES : MERGE_DATA;
        }
        m->batch_first = first;
        m->batch_valid = true;
}

static enum abi_code allocate_batch(struct merge *m)
{
        uint64_t size = m->image->header.cluster_size;
        m->batch = size < BATCH_BYTES ? BATCH_BYTES / size : 1;
        if (m->batch > m->entries)
                m->batch = m->entries;
        if (m->batch * size >= 1u << 20)
                arena_populate(2 * m->batch * size + m->entries);
        m->result = arena_alloc(m->batch * size);
        m->source = arena_alloc(m->batch * size);
        m->decisions = arena_alloc(m->entries);
        return m->result && m->source && m->decisions ? ABI_OK : ABI_TOO_LARGE;
}

enum abi_code merge_decide(const struct image *image, const struct abi_call *call,
                           const struct target *target, const uint64_t *target_table,
                           struct merge *m)
{
        memset(m, 0, sizeof *m);
        m->image = image;
        m->entries = target->old.table_entries;
        m->bitmap_bytes = bitmap_bytes(&image->header, target->granularity_bits);
        m->tail_bits =
            (bitmap_bits(&image->header, target->granularity_bits) - 1) % 8 + 1;
        m->target_table = target_table;
        enum abi_code code = read_sources(m, call, target);
        if (code || (code = allocate_batch(m)))
                return code;
        bool *gained = arena_alloc(m->batch * sizeof *gained);
        if (!gained)
                return ABI_TOO_LARGE;
        for (uint64_t first = 0; first < m->entries; first += m->batch)
                work_batch(m, first, gained, m->decisions + first);
        for (uint64_t i = 0; i < m->entries; i++) {
                m->changed = m->changed || m->decisions[i] != MERGE_KEEP;
                m->data_clusters += m->decisions[i] == MERGE_DATA;
        }
        return ABI_OK;
}

void merge_assert(const struct merge *m, uint64_t target_offset)
{
        transaction_assert(target_offset, m->target_table, m->entries * 8);
        for (uint32_t i = 0; i < m->source_count; i++)
                transaction_assert(m->source_offsets[i], m->source_tables[i],
                                   m->entries * 8);
}

/* Walks the clusters of a list of extents in order. */
struct cluster_cursor {
        const struct extent *extent;
        uint64_t used;
};

static uint64_t next_cluster(struct cluster_cursor *cursor)
{
        while (cursor->used == cursor->extent->count) {
                cursor->extent++;
                cursor->used = 0;
        }
        return cursor->extent->first + cursor->used++;
}

/* Emit the batch's data clusters, neighbours together. */
static void emit_batch(struct merge *m, uint64_t count, struct cluster_cursor *cursor,
                       uint32_t step)
{
        uint64_t size = m->image->header.cluster_size;
        uint64_t run = 0; /* entries of the run that ends before i */
        uint64_t run_cluster = 0;
        for (uint64_t i = 0; i < count; i++) {
                if (m->decisions[m->batch_first + i] != MERGE_DATA)
                        continue;
                uint64_t cluster = next_cluster(cursor);
                run = 1;
                run_cluster = cluster;
                while (i + 1 < count &&
                       m->decisions[m->batch_first + i + 1] == MERGE_DATA &&
                       cursor->used < cursor->extent->count) {
                        next_cluster(cursor);
                        run++;
                        i++;
                }
                transaction_fresh(step, run_cluster * size,
                                  m->result + (i + 1 - run) * size, run * size);
        }
}

enum abi_code merge_emit(struct merge *m, const struct extent *extents, uint32_t step)
{
        struct cluster_cursor cursor = {extents, 0};
        uint64_t left = m->data_clusters;
        bool *gained = arena_alloc(m->batch * sizeof *gained);
        uint8_t *again = arena_alloc(m->batch);
        if (!gained || !again)
                return ABI_TOO_LARGE;
        for (uint64_t first = 0; first < m->entries && left; first += m->batch) {
                uint64_t count =
                    m->entries - first < m->batch ? m->entries - first : m->batch;
                uint64_t data = 0;
                for (uint64_t i = 0; i < count; i++)
                        data += m->decisions[first + i] == MERGE_DATA;
                if (!data)
                        continue;
                if (!m->batch_valid || m->batch_first != first) {
                        transaction_flush();
                        work_batch(m, first, gained, again);
                        if (memcmp(again, m->decisions + first, count) != 0)
                                return ABI_HEADER_CHANGED;
                }
                emit_batch(m, count, &cursor, step);
                left -= data;
                if (left) {
                        transaction_apply(step, ABI_APPLY_PART);
                        transaction_flush();
                }
        }
        return ABI_OK;
}

void merge_store_table(const struct merge *m, const struct extent *extents,
                       uint64_t *table)
{
        struct cluster_cursor cursor = {extents, 0};
        memcpy(table, m->target_table, m->entries * 8);
        for (uint64_t i = 0; i < m->entries; i++) {
                if (m->decisions[i] == MERGE_ONES)
                        store_be64(&table[i], QCOW2_TABLE_ALL_ONES);
                else if (m->decisions[i] == MERGE_DATA)
                        store_be64(&table[i],
                                   next_cluster(&cursor) * m->image->header.cluster_size);
        }
}
