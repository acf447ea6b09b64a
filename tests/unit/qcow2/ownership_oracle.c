/* SPDX-License-Identifier: MIT */
#include "tests/unit/qcow2/ownership_oracle.h"

#include <stdlib.h>

/* A big-endian number; bytes behind the end of the file are zeros. */
static uint64_t number(const struct oracle *oracle, uint64_t offset, uint32_t bytes)
{
        uint64_t value = 0;
        for (uint64_t at = offset; at < offset + bytes; at++)
                value = value * 256 + (at < oracle->size ? oracle->bytes[at] : 0);
        return value;
}

static uint64_t bits(uint64_t value, uint32_t from, uint32_t to)
{
        uint64_t result = 0;
        for (uint32_t i = from; i <= to; i++)
                result += (value >> i & 1) << (i - from);
        return result;
}

void oracle_begin(struct oracle *oracle, const struct header *header,
                  const uint8_t *bytes, uint64_t size)
{
        uint64_t cluster = header->cluster_size;
        *oracle = (struct oracle){.header = header,
                                  .bytes = bytes,
                                  .size = size,
                                  .clusters = (size + cluster - 1) / cluster,
                                  .provable = true};
        oracle->owned = calloc(oracle->clusters + 1, sizeof *oracle->owned);
        oracle->claims = calloc(oracle->clusters + 1, sizeof *oracle->claims);
        if (!oracle->owned || !oracle->claims)
                abort();
        oracle->owned[0] = 1;
}

void oracle_end(struct oracle *oracle)
{
        free(oracle->owned);
        free(oracle->claims);
}

void oracle_claim(struct oracle *oracle, uint64_t first, uint64_t count)
{
        for (uint64_t i = first; i < first + count; i++)
                if (i < oracle->clusters)
                        oracle->claims[i]++;
}

bool oracle_holds(const struct oracle *oracle, uint64_t cluster)
{
        return oracle->provable && cluster < oracle->clusters &&
               oracle->claims[cluster] == 1 && !oracle->owned[cluster];
}

static void own(struct oracle *oracle, uint64_t offset, uint64_t length)
{
        uint64_t cluster = oracle->header->cluster_size;
        for (uint64_t i = 0; i < oracle->clusters; i++)
                if (i * cluster < offset + length && offset < (i + 1) * cluster)
                        oracle->owned[i] = 1;
}

/* Something that has to begin with a cluster and lie in the file's clusters. */
static bool own_structure(struct oracle *oracle, uint64_t offset, uint64_t length)
{
        uint64_t cluster = oracle->header->cluster_size;
        if (offset == 0 || offset % cluster ||
            offset + length > oracle->clusters * cluster)
                oracle->provable = false;
        else
                own(oracle, offset, length);
        return oracle->provable;
}

void oracle_bitmap_table(struct oracle *oracle, uint64_t offset, uint64_t entries)
{
        if (!own_structure(oracle, offset, entries * 8))
                return;
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = number(oracle, offset + i * 8, 8);
                uint64_t data = bits(entry, 9, 55) * 512;
                if (bits(entry, 1, 8) || bits(entry, 56, 63) ||
                    data % oracle->header->cluster_size || (data && entry % 2))
                        oracle->provable = false;
                else if (data)
                        own(oracle, data, oracle->header->cluster_size);
        }
}

static void follow_compressed(struct oracle *oracle, uint64_t entry)
{
        uint32_t x = 62 - (oracle->header->cluster_bits - 8);
        uint64_t offset = bits(entry, 0, x - 1);
        uint64_t last_sector = offset / 512 + bits(entry, x, 61);
        own(oracle, offset, last_sector * 512 + 512 - offset);
}

static void follow_l2(struct oracle *oracle, uint64_t table)
{
        bool extended = oracle->header->incompatible & 16;
        bool data_file = oracle->header->incompatible & 4;
        uint32_t length = extended ? 16 : 8;
        for (uint64_t at = 0; at < oracle->header->cluster_size; at += length) {
                uint64_t entry = number(oracle, table + at, 8);
                uint64_t offset = bits(entry, 9, 55) * 512;
                if (bits(entry, 62, 62)) {
                        follow_compressed(oracle, entry);
                        if (data_file)
                                oracle->provable = false;
                } else if (!data_file) {
                        if (bits(entry, 1, 8) || bits(entry, 56, 61) ||
                            (extended && entry % 2) ||
                            offset % oracle->header->cluster_size)
                                oracle->provable = false;
                        else if (offset)
                                own(oracle, offset, oracle->header->cluster_size);
                }
        }
}

static void follow_l1(struct oracle *oracle, uint64_t table, uint64_t entries,
                      bool scan_l2)
{
        if (!entries || !own_structure(oracle, table, entries * 8))
                return;
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = number(oracle, table + i * 8, 8);
                uint64_t offset = bits(entry, 9, 55) * 512;
                if (bits(entry, 0, 8) || bits(entry, 56, 62))
                        oracle->provable = false;
                else if (offset &&
                         own_structure(oracle, offset, oracle->header->cluster_size) &&
                         scan_l2)
                        follow_l2(oracle, offset);
        }
}

static void follow_refcounts(struct oracle *oracle)
{
        uint64_t table = oracle->header->refcount_table_offset;
        uint64_t length =
            oracle->header->refcount_table_clusters * oracle->header->cluster_size;
        if (!own_structure(oracle, table, length))
                return;
        for (uint64_t at = 0; at < length; at += 8) {
                uint64_t entry = number(oracle, table + at, 8);
                if (entry)
                        own_structure(oracle, entry, oracle->header->cluster_size);
        }
}

static void follow_snapshots(struct oracle *oracle, bool scan_l2)
{
        uint64_t start = oracle->header->snapshots_offset, at = start, end = start;
        for (uint32_t i = 0; i < oracle->header->snapshot_count; i++) {
                at = (end + 7) / 8 * 8;
                end = at + 40 + number(oracle, at + 36, 4) + number(oracle, at + 12, 2) +
                      number(oracle, at + 14, 2);
                if (end > oracle->size) {
                        oracle->provable = false;
                        return;
                }
                follow_l1(oracle, number(oracle, at, 8), number(oracle, at + 8, 4),
                          scan_l2);
        }
        if (oracle->header->snapshot_count)
                own_structure(oracle, start, end - start);
}

void oracle_image(struct oracle *oracle, bool scan_l2)
{
        const struct header *header = oracle->header;
        follow_l1(oracle, header->l1_offset, header->l1_size, scan_l2);
        follow_refcounts(oracle);
        follow_snapshots(oracle, scan_l2);
        if (header->has_crypto)
                own_structure(oracle, header->crypto_offset, header->crypto_length);
}
