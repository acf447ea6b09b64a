/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/table_readahead.h"

#include <stddef.h>
#include <string.h>

#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

#define WINDOW     4096u /* entries of all tables that are there */
#define MAX_PIECES ABI_MAX_REQUESTS
#define TAIL_BYTES (256ull << 10)

/* "Bitmap directory entry": 24 bytes and a name, a multiple of 8. */
#define SMALLEST_ENTRY 32u

/* All tables together that are worth to be kept: bytes, and of the arena one part in so
 * many. */
#define KEPT_BYTES (1ull << 20)
#define KEPT_SHARE 16u

/* Where nobody has asked for yet what was read ahead, little is lost if nobody does. */
#define FIRST_AHEAD 64u

/* Of one table the entries [first, +count). */
struct piece {
        uint64_t position; /* of the bitmap's entry in the directory */
        uint64_t offset;   /* of the table in the file */
        uint64_t first;
        uint32_t count;
        uint32_t place; /* in the window */
        uint64_t tail;  /* in the buffer: place + 1; 0: none */
};

static struct {
        const struct header *header;
        struct directory directory;
        enum table_readahead_scope scope;
        uint32_t ahead; /* pieces that are read at a time */
        uint32_t count;
        uint32_t current;
        struct piece pieces[MAX_PIECES];
        uint64_t used; /* of the window */
        uint64_t window[WINDOW];
        uint8_t *tails;
        uint64_t tails_size;
        uint64_t *kept;         /* all tables, one behind the other; or NULL */
        uint64_t kept_position; /* of a directory's entry, and where its table is kept */
        uint64_t kept_place;
} state;

void table_readahead_start(const struct header *header, const struct directory *directory,
                           enum table_readahead_scope scope)
{
        state.header = header;
        state.directory = *directory;
        state.kept = NULL;
        table_readahead_again(scope);
}

void table_readahead_again(enum table_readahead_scope scope)
{
        state.scope = scope;
        state.tails = NULL;
        state.tails_size = 0;
        state.kept_position = 0;
        state.kept_place = 0;
        table_readahead_forget();
}

void table_readahead_forget(void)
{
        state.ahead = FIRST_AHEAD;
        state.count = 0;
        state.current = 0;
}

/* ---- all tables -------------------------------------------------------------------- */

static bool can_be_read(const struct directory_entry *bitmap)
{
        return range_inside(bitmap->table_offset, bitmap->table_entries * 8ull,
                            INT64_MAX);
}

/* On to the next table that is kept. */
static void skip_kept(const struct directory_entry *bitmap)
{
        if (can_be_read(bitmap))
                state.kept_place += bitmap->table_entries;
        state.kept_position += bitmap->length;
}

/* How many entries all tables have; a directory is too small for more than 2^64. */
static uint64_t count_entries(void)
{
        struct directory_entry bitmap;
        while (directory_entry_at(&state.directory, state.kept_position, &bitmap))
                skip_kept(&bitmap);
        uint64_t count = state.kept_place;
        table_readahead_again(state.scope);
        return count;
}

void table_readahead_keep(void)
{
        struct directory_entry bitmap;
        uint64_t bytes = count_entries() * sizeof *state.kept;
        if (bytes > KEPT_BYTES || bytes > arena_left() / KEPT_SHARE)
                return;
        uint64_t *kept = arena_alloc(bytes);
        for (; kept && directory_entry_at(&state.directory, state.kept_position, &bitmap);
             skip_kept(&bitmap))
                if (can_be_read(&bitmap))
                        read_queue(bitmap.table_offset, kept + state.kept_place,
                                   bitmap.table_entries * 8ull);
        read_flush();
        table_readahead_again(state.scope);
        state.kept = kept;
}

static const uint64_t *find_kept(const struct directory_entry *bitmap)
{
        struct directory_entry other;
        if (state.kept_position > bitmap->position)
                state.kept_position = state.kept_place = 0;
        while (state.kept_position < bitmap->position &&
               directory_entry_at(&state.directory, state.kept_position, &other))
                skip_kept(&other);
        return state.kept + state.kept_place;
}

/* ---- tails ------------------------------------------------------------------------- */

/* Once, for a lot of them or for the longest one. */
static bool has_tail_buffer(void)
{
        uint64_t cluster = state.header->cluster_size;
        if (state.tails)
                return true;
        uint64_t most = state.directory.size / SMALLEST_ENTRY * cluster;
        uint64_t wanted = most < TAIL_BYTES ? most : TAIL_BYTES;
        state.tails_size = cluster;
        if (cluster < wanted && arena_left() / 2 >= wanted)
                state.tails_size = wanted;
        state.tails = arena_alloc(state.tails_size);
        return state.tails;
}

/* Where the bitmap's tail is in the file, and how long; 0: it has none that is known. */
static uint64_t tail_of(const struct piece *piece, uint64_t *offset)
{
        const struct header *h = state.header;
        struct directory_entry bitmap;
        if (!directory_entry_at(&state.directory, piece->position, &bitmap) ||
            bitmap.granularity_bits > QCOW2_MAX_GRANULARITY_BITS ||
            bitmap.flags & QCOW2_BITMAP_IN_USE || !piece->count ||
            piece->first + piece->count != bitmap.table_entries)
                return 0;
        uint64_t last = load_be64(&state.window[piece->place + piece->count - 1]);
        uint64_t start = bitmap_tail_start(h, bitmap.granularity_bits);
        if (table_entry_kind(h, last, TABLE_ANYWHERE) != TABLE_ENTRY_DATA)
                return 0;
        *offset = (last & QCOW2_OFFSET_MASK) + start;
        return h->cluster_size - start;
}

/* Tables whose tails have no room are read again, with them, in their turn. */
static void read_tails(void)
{
        uint64_t used = 0;
        uint64_t last_offset = 0;
        uint64_t last_length = 0;
        for (uint32_t i = 0; i < state.count; i++) {
                uint64_t offset;
                uint64_t length = tail_of(&state.pieces[i], &offset);
                if (!length)
                        continue;
                if (offset == last_offset && length == last_length) {
                        state.pieces[i].tail = used - length + 1;
                        continue;
                }
                if (!has_tail_buffer() || length > state.tails_size - used) {
                        state.count = i ? i : 1;
                        state.ahead = state.count;
                        break;
                }
                read_queue(offset, state.tails + used, length);
                state.pieces[i].tail = used + 1;
                used += length;
                last_offset = offset;
                last_length = length;
        }
        if (used)
                read_flush();
}

const uint8_t *table_readahead_tail(const struct directory_entry *bitmap)
{
        const struct piece *piece = &state.pieces[state.current];
        bool is_there = state.current < state.count &&
                        piece->position == bitmap->position && piece->tail;
        return is_there ? state.tails + piece->tail - 1 : NULL;
}

/* ---- tables ------------------------------------------------------------------------ */

/* A table that all bitmaps of a crafted image share is read once. */
static bool share_piece(const struct directory_entry *bitmap)
{
        struct piece piece = state.pieces[state.count - 1];
        if (piece.offset != bitmap->table_offset || piece.first ||
            piece.count != bitmap->table_entries)
                return false;
        piece.position = bitmap->position;
        state.pieces[state.count++] = piece;
        return true;
}

/* Queue what there is room for of the table from entry `first` on. */
static void add_piece(const struct directory_entry *bitmap, uint64_t first)
{
        uint64_t left = bitmap->table_entries - first;
        uint64_t room = WINDOW - state.used;
        uint64_t count = left < room ? left : room;
        state.pieces[state.count++] = (struct piece){.position = bitmap->position,
                                                     .offset = bitmap->table_offset,
                                                     .first = first,
                                                     .count = (uint32_t)count,
                                                     .place = (uint32_t)state.used};
        if (state.kept)
                memcpy(&state.window[state.used], find_kept(bitmap) + first, count * 8);
        else
                read_queue(bitmap->table_offset + first * 8, &state.window[state.used],
                           count * 8);
        state.used += count;
}

/* What follows, as far as whole tables have room. */
static void add_following(const struct directory_entry *bitmap)
{
        struct directory_entry next;
        uint64_t position = bitmap->position + bitmap->length;
        while (state.count < state.ahead &&
               directory_entry_at(&state.directory, position, &next)) {
                position += next.length;
                if (!can_be_read(&next) || share_piece(&next))
                        continue;
                if (next.table_entries > WINDOW - state.used)
                        break;
                add_piece(&next, 0);
        }
}

/* As with a file's pages: what comes in its turn is worth to be read ahead twice as far,
 * what does not is not. */
static void adapt(uint64_t position)
{
        if (!state.count)
                return;
        uint64_t last = state.pieces[state.count - 1].position;
        if (last > position)
                state.ahead = FIRST_AHEAD;
        else if (last < position)
                state.ahead = state.ahead < MAX_PIECES / 2 ? 2 * state.ahead : MAX_PIECES;
}

static void load(const struct directory_entry *bitmap, uint64_t first)
{
        adapt(bitmap->position);
        state.count = 0;
        state.current = 0;
        state.used = 0;
        add_piece(bitmap, first);
        /* Not all that follows may be asked for in its turn: back to here. */
        uint64_t position = state.kept_position;
        uint64_t place = state.kept_place;
        if (state.pieces[0].first + state.pieces[0].count == bitmap->table_entries)
                add_following(bitmap);
        state.kept_position = position;
        state.kept_place = place;
        if (!state.kept)
                read_flush();
        if (state.scope == TABLE_READAHEAD_TAILS)
                read_tails();
}

uint64_t table_readahead_entry(const struct directory_entry *bitmap, uint64_t index)
{
        while (state.current + 1 < state.count &&
               state.pieces[state.current].position < bitmap->position)
                state.current++;
        const struct piece *piece = &state.pieces[state.current];
        if (state.current >= state.count || piece->position != bitmap->position ||
            index - piece->first >= piece->count) {
                load(bitmap, index);
                piece = &state.pieces[state.current];
        }
        return load_be64(&state.window[piece->place + (index - piece->first)]);
}
