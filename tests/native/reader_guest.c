/* SPDX-License-Identifier: MIT */
/* What virtual machines and snapshots use.  Standard L2 entries only: the maker
 * writes no others. */
#include "tests/native/reader_internal.h"

#define OFFSET_MASK 0x00fffffffffffe00ull

static bool read_l2(struct walk *walk, uint64_t l2, uint64_t *hash)
{
        uint64_t size = walk->read->cluster_size;
        if (!reader_count(walk, l2, size, "L2 table"))
                return false;
        for (uint64_t i = 0; i < size / 8; i++) {
                uint64_t entry = reader_u64(walk, l2 + i * 8);
                uint64_t data = entry & OFFSET_MASK;
                *hash = reader_hash(*hash, &entry, sizeof entry);
                if (!data)
                        continue;
                if (!reader_count(walk, data, size, "guest data"))
                        return false;
                *hash = reader_hash_file(*hash, walk, data, size);
        }
        return true;
}

static bool read_l1(struct walk *walk, uint64_t l1, uint64_t entries, uint64_t *hash)
{
        if (!reader_count(walk, l1, entries * 8, "L1 table"))
                return false;
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = reader_u64(walk, l1 + i * 8);
                *hash = reader_hash(*hash, &entry, sizeof entry);
                if (entry & OFFSET_MASK && !read_l2(walk, entry & OFFSET_MASK, hash))
                        return false;
        }
        return true;
}

static bool read_snapshots(struct walk *walk)
{
        uint64_t at = walk->snapshots;
        uint64_t *hash = &walk->read->snapshot_hash;
        if (walk->snapshot_count > 65536)
                return reader_fail(walk, "too many snapshots");
        for (uint64_t i = 0; i < walk->snapshot_count; i++) {
                uint64_t length = 40ull + reader_u32(walk, at + 36) +
                                  reader_u16(walk, at + 12) + reader_u16(walk, at + 14);
                if (length > 1 << 20 || at > walk->file->size)
                        return reader_fail(walk, "snapshot table");
                *hash = reader_hash_file(*hash, walk, at, length);
                if (!read_l1(walk, reader_u64(walk, at), reader_u32(walk, at + 8), hash))
                        return false;
                at += (length + 7) & ~7ull;
        }
        return reader_count(walk, walk->snapshots, at - walk->snapshots,
                            "snapshot table");
}

bool reader_guest(struct walk *walk)
{
        return read_l1(walk, walk->l1, walk->l1_entries, &walk->read->guest_hash) &&
               read_snapshots(walk);
}
