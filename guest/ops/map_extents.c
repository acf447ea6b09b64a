/* SPDX-License-Identifier: MIT */
/*
 * A word of 64 bits is turned into a word of transitions: a bit of it is set where a bit
 * of the bitmap differs from the one before.  So a word that goes on as it began costs
 * nothing, and any other as much as it has edges.
 */
#include "guest/ops/map_extents.h"

#define WORD_BITS 64u

struct scan {
        extent_sink *sink;
        void *context;
        uint32_t shift; /* log2 of the granularity */
        bool dirty;     /* the last bit: an extent is open */
        uint64_t start; /* of the open extent: a bit */
};

/* The bitmap changes at this bit. */
static void edge(struct scan *scan, uint64_t bit)
{
        if (scan->dirty)
                scan->sink(scan->context, scan->start << scan->shift, bit << scan->shift);
        else
                scan->start = bit;
        scan->dirty = !scan->dirty;
}

static void scan_word(struct scan *scan, uint64_t word, uint64_t first)
{
        uint64_t edges = word ^ (word << 1 | scan->dirty);
        for (; edges; edges &= edges - 1)
                edge(scan, first + (uint64_t)__builtin_ctzll(edges));
}

static void scan_words(struct scan *scan, const struct bitmap_piece *piece)
{
        uint64_t whole = piece->bits / WORD_BITS;
        uint64_t rest = piece->bits % WORD_BITS;
        for (uint64_t i = 0; i < whole; i++)
                scan_word(scan, piece->words[i], piece->first + i * WORD_BITS);
        if (!rest)
                return;
        /* What follows the last bit of the disk is nobody's: it goes on as that bit. */
        uint64_t known = (1ull << rest) - 1;
        uint64_t word = piece->words[whole] & known;
        if (word >> (rest - 1))
                word |= ~known;
        scan_word(scan, word, piece->first + whole * WORD_BITS);
}

enum abi_code map_extents(struct bitmap_walk *walk, uint32_t granularity_bits,
                          uint64_t size, extent_sink *sink, void *context)
{
        struct scan scan = {.sink = sink, .context = context, .shift = granularity_bits};
        bitmap_walk_rewind(walk);
        for (;;) {
                struct bitmap_piece piece = bitmap_walk_next(walk);
                if (!piece.bits)
                        break;
                if (piece.kind == TABLE_ENTRY_INVALID)
                        return ABI_HEADER_CHANGED;
                if (piece.kind == TABLE_ENTRY_DATA)
                        scan_words(&scan, &piece);
                else if (scan.dirty != (piece.kind == TABLE_ENTRY_ONES))
                        edge(&scan, piece.first);
        }
        if (scan.dirty) /* to the end of the disk, which may be inside a granule */
                sink(context, scan.start << scan.shift, size);
        return ABI_OK;
}
