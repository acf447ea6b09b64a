/* SPDX-License-Identifier: MIT */
/* Every refcount against the references that were found. */
#include "tests/native/reader_internal.h"

static void judge(struct walk *walk, uint64_t cluster, uint32_t refcount)
{
        struct read_image *read = walk->read;
        uint32_t counted = cluster < walk->clusters ? walk->counted[cluster] : 0;
        if (refcount > counted && !read->leaks++)
                read->first_leak = cluster;
        if (refcount < counted && !read->corruptions++)
                read->first_corruption = cluster;
}

static void judge_block(struct walk *walk, uint64_t index, uint64_t block)
{
        uint64_t per_block = walk->read->cluster_size / 2;
        uint64_t first = index * per_block;
        for (uint64_t i = 0; i < per_block; i++) {
                /* Four zeros at once: most of a block is empty. */
                if (i % 4 == 0 && first + i >= walk->clusters &&
                    (!block || !reader_u64(walk, block + i * 2))) {
                        i += 3;
                        continue;
                }
                judge(walk, first + i, block ? reader_u16(walk, block + i * 2) : 0);
        }
}

bool reader_refcounts(struct walk *walk)
{
        uint64_t size = walk->read->cluster_size;
        uint64_t entries = walk->refcount_table_clusters * size / 8;
        uint64_t needed = walk->clusters / (size / 2) + 1;
        if (walk->refcount_table % size || !walk->refcount_table ||
            !reader_count(walk, walk->refcount_table, entries * 8, "refcount table"))
                return reader_fail(walk, "refcount table");
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t block = reader_u64(walk, walk->refcount_table + i * 8);
                if (block % size)
                        return reader_fail(walk, "refcount block");
                if (block && !reader_count(walk, block, size, "refcount block"))
                        return false;
        }
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t block = reader_u64(walk, walk->refcount_table + i * 8);
                if (block || i < needed)
                        judge_block(walk, i, block);
        }
        for (uint64_t c = entries * (size / 2); c < walk->clusters; c++)
                judge(walk, c, 0);
        for (uint64_t c = walk->clusters; c && !walk->counted[c - 1]; c--)
                walk->read->tail_free++;
        return true;
}
