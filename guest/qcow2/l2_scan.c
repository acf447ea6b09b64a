/* SPDX-License-Identifier: MIT */
/*
 * The part of a proof of ownership whose cost grows with the image: a fully
 * allocated 1 TiB image has 128 MiB of L2 tables, of which usually not one entry
 * names a claimed cluster.
 *
 * The tables are noted first, as ranges of clusters, and then sorted and united.  So a
 * table that snapshots share is read once wherever it is named, tables that lie side
 * by side are read in one request, and the file is read in ascending order.  When
 * the list is full the tables noted so far are scanned and the list starts afresh:
 * memory stays bounded, and a table named again is merely scanned again.
 *
 * Entries are looked at in blocks of eight without a branch for each.  A block is
 * let go when none of its offsets lies between the lowest and the highest claim and
 * no reserved or "compressed" bit is set; if one lies there, when the filter of the
 * claims knows none of them.  Only what is left is taken entry by entry.
 */
#include "guest/qcow2/l2_scan.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/reader.h"

/* "Standard cluster descriptor" and L2 table entry of qcow2.txt. */
#define L2_COMPRESSED (1ull << 62)
#define L2_ZERO       1ull
#define L2_RESERVED   0x3f000000000001feull

#define BLOCK 8u /* entries; every table has a multiple of it: 512 bytes at least */

#define MIN_NOTED 1024u
#define MAX_NOTED (1u << 20)

/* Below a megabyte of tables, reading through a buffer whose few pages are used again
 * is cheaper than touching new ones; above, a huge page that the host has cleared. */
#define SMALL_BUFFER (128u << 10)
#define LARGE_BUFFER (2u << 20)
#define LARGE_FROM   (1u << 20)

/* How many ranges to keep room for.  Untouched room costs nothing; a quarter of the
 * arena is left for the buffer whatever happens. */
static uint64_t noted_capacity(uint64_t l1_entries)
{
        uint64_t affordable = arena_left() / 4 / sizeof(struct cluster_range);
        uint64_t wanted = l1_entries < MIN_NOTED ? MIN_NOTED : l1_entries;
        if (wanted > MAX_NOTED)
                wanted = MAX_NOTED;
        if (wanted > affordable)
                wanted = affordable;
        return wanted ? wanted : 1;
}

enum abi_code l2_scan_begin(struct l2_scan *scan, const struct header *header,
                            uint64_t l1_entries, struct claims *claims)
{
        *scan = (struct l2_scan){
            .claims = claims,
            .cluster_bits = header->cluster_bits,
            .data_file = header->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE,
            .extended = header->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2,
        };
        if (!scan->data_file)
                scan->reserved =
                    L2_RESERVED | (QCOW2_OFFSET_MASK & (header->cluster_size - 1));
        if (!scan->data_file && scan->extended)
                scan->reserved |= L2_ZERO; /* said by the subclusters' bitmap there */
        if (!range_list_init(&scan->tables, noted_capacity(l1_entries)))
                return ABI_TOO_LARGE;
        return ABI_OK;
}

/*
 * "Compressed Clusters Descriptor": x = 62 - (cluster_bits - 8); bits 0..x-1 are the
 * offset, bits x..61 the number of 512-byte sectors besides the first.  So the data
 * is at most two clusters long and touches at most three.  An image may consist of
 * these alone: one comparison for both ends of the range, and one for the filter, because
 * a branch that cannot be foretold costs more than what it spares.
 */
static void contest_compressed(struct l2_scan *scan, uint64_t entry)
{
        const struct claims *claims = scan->claims;
        uint32_t x = 62 - (scan->cluster_bits - 8);
        uint64_t start = (entry & ((1ull << x) - 1)) & ~511ull;
        uint64_t sectors = ((entry & (L2_COMPRESSED - 1)) >> x) + 1;
        uint64_t last = start + sectors * 512 - 1; /* below 2^61 + 2^23: no overflow */
        uint64_t middle = start + (1ull << scan->cluster_bits);
        if (last - claims->low >= claims->high - claims->low + (last - start))
                return;
        middle = middle < last ? middle : last;
        if (claims_filter(claims, start) | claims_filter(claims, middle) |
            claims_filter(claims, last))
                claims_contest_bytes(scan->claims, start, last - start + 1);
}

static void examine_entry(struct l2_scan *scan, uint64_t entry)
{
        if (entry & L2_COMPRESSED) {
                /* Forbidden with a data file; a reader that lets it pass may well
                 * take the data from this file. */
                scan->malformed |= scan->data_file;
                contest_compressed(scan, entry);
        } else if (entry & scan->reserved) {
                scan->malformed = true;
        } else if (!scan->data_file) {
                uint64_t offset = entry & QCOW2_OFFSET_MASK;
                if (claims_filter(scan->claims, offset))
                        claims_contest(scan->claims, offset >> scan->cluster_bits, 1);
        }
}

static inline uint64_t load_native(const uint8_t *bytes)
{
        uint64_t value;
        __builtin_memcpy(&value, bytes, sizeof value);
        return value;
}

/* True if the claims' filter knows one of the block's offsets: claims_filter(), eight
 * times, with everything in registers. */
static inline __attribute__((always_inline)) bool
block_filtered(const struct claims *claims, const uint8_t *entries, uint32_t stride)
{
        const uint64_t *filter = claims->filter;
        const uint32_t bits = claims->block_bits;
        const uint64_t low = claims->low, reach = claims->reach;
        uint64_t hits = 0;
#pragma GCC unroll 8
        for (uint32_t i = 0; i < BLOCK; i++) {
                uint64_t entry = load_be64(entries + (uint64_t)i * stride);
                uint64_t block = (entry & QCOW2_OFFSET_MASK) - low;
                block = (block < reach ? block : reach) >> bits;
                hits += (filter[block / 64] >> (block % 64)) & 1;
        }
        return hits != 0;
}

/*
 * The loop that decides the speed.  `stride` is a constant where this is inlined.
 * Bits are collected as they lie on disk: only the offsets need their bytes turned.
 */
static inline __attribute__((always_inline)) void scan_entries(struct l2_scan *scan,
                                                               const uint8_t *entries,
                                                               uint64_t length,
                                                               uint32_t stride)
{
        const uint64_t low = scan->claims->low;
        const uint64_t span = scan->data_file ? 0 : scan->claims->high - low;
        const uint64_t special = __builtin_bswap64(scan->reserved | L2_COMPRESSED);
        const uint8_t *end = entries + length;
        for (; entries < end; entries += (uint64_t)BLOCK * stride) {
                uint64_t seen = 0;
                uint32_t near = 0;
#pragma GCC unroll 8
                for (uint32_t i = 0; i < BLOCK; i++) {
                        uint64_t raw = load_native(entries + (uint64_t)i * stride);
                        uint64_t offset = __builtin_bswap64(raw) & QCOW2_OFFSET_MASK;
                        seen |= raw;
                        near += offset - low < span;
                }
                if (!(seen & special) &&
                    (!near || !block_filtered(scan->claims, entries, stride)))
                        continue;
                for (uint32_t i = 0; i < BLOCK; i++)
                        examine_entry(scan, load_be64(entries + (uint64_t)i * stride));
        }
}

void l2_scan_bytes(struct l2_scan *scan, const uint8_t *entries, uint64_t length)
{
        if (scan->extended)
                scan_entries(scan, entries, length, 16);
        else
                scan_entries(scan, entries, length, 8);
}

/* Read what the buffer has room for and look at it. */
static void scan_buffer(struct l2_scan *scan)
{
        read_flush();
        l2_scan_bytes(scan, scan->buffer, scan->used);
        scan->used = 0;
}

static enum abi_code provide_buffer(struct l2_scan *scan)
{
        uint64_t clusters = 0;
        for (uint64_t i = 0; i < scan->tables.count; i++)
                clusters += scan->tables.ranges[i].count;
        uint64_t wanted = clusters << scan->cluster_bits;
        if (wanted >= LARGE_FROM && arena_left() / 2 >= LARGE_BUFFER) {
                wanted = LARGE_BUFFER;
                arena_populate(wanted);
        } else if (wanted > SMALL_BUFFER) {
                wanted = SMALL_BUFFER;
        }
        if (wanted > arena_left())
                wanted = arena_left() & ~511ull;
        scan->capacity = wanted;
        scan->buffer = wanted ? arena_alloc(wanted) : NULL;
        return scan->buffer ? ABI_OK : ABI_TOO_LARGE;
}

/* Queue the bytes of one run of tables; pieces end on multiples of 512. */
static void scan_range(struct l2_scan *scan, const struct cluster_range *range)
{
        uint64_t offset = range->first << scan->cluster_bits;
        uint64_t left = range->count << scan->cluster_bits;
        while (left && !scan->malformed) {
                uint64_t room = scan->capacity - scan->used;
                uint64_t length = left < room ? left : room;
                read_queue(offset, scan->buffer + scan->used, length);
                scan->used += length;
                offset += length;
                left -= length;
                if (scan->used == scan->capacity)
                        scan_buffer(scan);
        }
}

enum abi_code l2_scan_finish(struct l2_scan *scan)
{
        if (!scan->tables.count)
                return ABI_OK;
        range_list_unite(&scan->tables);
        if (!scan->buffer) {
                enum abi_code code = provide_buffer(scan);
                if (code != ABI_OK)
                        return code;
        }
        for (uint64_t i = 0; i < scan->tables.count && !scan->malformed; i++)
                scan_range(scan, &scan->tables.ranges[i]);
        if (scan->used)
                scan_buffer(scan);
        scan->tables.count = 0;
        return ABI_OK;
}

enum abi_code l2_scan_add(struct l2_scan *scan, uint64_t cluster)
{
        if (range_list_append(&scan->tables, cluster, 1))
                return ABI_OK;
        enum abi_code code = l2_scan_finish(scan);
        if (code == ABI_OK)
                range_list_append(&scan->tables, cluster, 1);
        return code;
}
