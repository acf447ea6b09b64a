/* SPDX-License-Identifier: MIT */
#include "fuzz/mutator/guest_fields.h"

#include "fuzz/harness/guest_input.h"

#define OFFSETS      0x00fffffffffffe00ull
#define COPIED       (1ull << 63)
#define COMPRESSED   (1ull << 62)
#define TYPE_BITMAPS 0x23852875u
#define MAGIC        0x514649fbu

uint32_t guest_cluster_bits(const struct guest_pieces *p)
{
        uint64_t bits = pieces_load(p, 20, 4);
        return bits < 9 || bits > 21 ? 9 : (uint32_t)bits;
}

static uint64_t l1_offset(const struct guest_pieces *p)
{
        return pieces_load(p, 40, 8);
}

static uint64_t refcount_block(const struct guest_pieces *p, uint64_t index)
{
        return pieces_load(p, pieces_load(p, 48, 8) + index * 8, 8) & OFFSETS;
}

/* The bitmaps' record, or where it would begin. */
static uint64_t record(const struct guest_pieces *p)
{
        uint64_t at = pieces_load(p, 100, 4);
        for (uint32_t i = 0; i < 8 && at < 512; i++) {
                uint64_t type = pieces_load(p, at, 4);
                if (type == TYPE_BITMAPS || !type)
                        break;
                at += 8 + ((pieces_load(p, at + 4, 4) + 7) & ~7ull);
        }
        return at;
}

/* The entry of bitmap `index`, as far as entries go on. */
static uint64_t entry(const struct guest_pieces *p, uint64_t index)
{
        uint64_t at = pieces_load(p, record(p) + 24, 8);
        while (index--) {
                uint64_t extra = pieces_load(p, at + 20, 4);
                uint64_t name = pieces_load(p, at + 18, 2);
                if (!name || extra > 1024)
                        break;
                at += (24 + extra + name + 7) & ~7ull;
        }
        return at;
}

uint64_t guest_some_cluster(struct guest_pieces *p)
{
        uint64_t size = 1ull << guest_cluster_bits(p);
        uint32_t count = pieces_count(p);
        uint64_t places[] = {l1_offset(p),
                             pieces_load(p, l1_offset(p), 8) & OFFSETS,
                             pieces_load(p, 48, 8),
                             refcount_block(p, 0),
                             pieces_load(p, 64, 8),
                             pieces_load(p, record(p) + 24, 8),
                             pieces_load(p, entry(p, 0), 8),
                             pieces_load(p, entry(p, 1), 8)};
        uint64_t which = mutate_random(p, 14);
        if (which < 8)
                return places[which] / size * size;
        if (which < 12 && count)
                return pieces_offset(p, (uint32_t)mutate_random(p, count)) / size * size;
        return mutate_random(p, count + 40) * size;
}

/* ---- fields ----------------------------------------------------------------------- */

static struct guest_field header_field(struct guest_pieces *p)
{
        static const uint8_t fields[][2] = {{8, 8},   {16, 4}, {20, 4}, {24, 8}, {32, 4},
                                            {36, 4},  {40, 8}, {48, 8}, {56, 4}, {60, 4},
                                            {64, 8},  {72, 8}, {80, 8}, {88, 8}, {96, 4},
                                            {100, 4}, {104, 1}};
        uint64_t i = mutate_random(p, sizeof fields / sizeof fields[0]);
        return (struct guest_field){fields[i][0], fields[i][1]};
}

static struct guest_field record_field(struct guest_pieces *p)
{
        static const uint8_t fields[][2] = {{0, 4},  {4, 4},  {8, 4},  {12, 4},
                                            {16, 8}, {24, 8}, {32, 4}, {36, 4}};
        uint64_t i = mutate_random(p, sizeof fields / sizeof fields[0]);
        uint64_t at = mutate_random(p, 4) ? record(p) : pieces_load(p, 100, 4);
        return (struct guest_field){at + fields[i][0], fields[i][1]};
}

static struct guest_field entry_field(struct guest_pieces *p)
{
        static const uint8_t fields[][2] = {{0, 8},  {8, 4},  {12, 4}, {16, 1}, {17, 1},
                                            {18, 2}, {20, 4}, {24, 1}, {25, 8}};
        uint64_t i = mutate_random(p, sizeof fields / sizeof fields[0]);
        return (struct guest_field){entry(p, mutate_random(p, 3)) + fields[i][0],
                                    fields[i][1]};
}

static struct guest_field snapshot_field(struct guest_pieces *p)
{
        static const uint8_t fields[][2] = {{0, 8},  {8, 4},  {12, 2}, {14, 2},
                                            {32, 4}, {36, 4}, {40, 8}, {48, 8}};
        uint64_t i = mutate_random(p, sizeof fields / sizeof fields[0]);
        return (struct guest_field){pieces_load(p, 64, 8) + mutate_random(p, 2) * 64 +
                                        fields[i][0],
                                    fields[i][1]};
}

static struct guest_field word_of(struct guest_pieces *p, uint64_t table)
{
        uint64_t words = mutate_random(p, 3) ? 8 : 64;
        return (struct guest_field){table + 8 * mutate_random(p, words), 8};
}

struct guest_field guest_field_choose(struct guest_pieces *p)
{
        uint64_t l1 = l1_offset(p);
        switch (mutate_random(p, 12)) {
        case 0:
        case 1:
                return header_field(p);
        case 2:
                return record_field(p);
        case 3:
        case 4:
                return entry_field(p);
        case 5:
                return snapshot_field(p);
        case 6:
                return word_of(p, l1);
        case 7:
        case 8:
                return word_of(p,
                               pieces_load(p, l1 + 8 * mutate_random(p, 2), 8) & OFFSETS);
        case 9:
                return word_of(p, pieces_load(p, entry(p, mutate_random(p, 2)), 8));
        case 10:
                return word_of(p, pieces_load(p, 48, 8));
        default:
                return (struct guest_field){
                    refcount_block(p, 0) + 2 * mutate_random(p, 48), 2};
        }
}

uint64_t guest_field_value(struct guest_pieces *p)
{
        switch (mutate_random(p, 9)) {
        case 0:
                return 0;
        case 1:
                return mutate_random(p, 8);
        case 2:
                return UINT64_MAX >> mutate_random(p, 64);
        case 3:
                return 1ull << mutate_random(p, 64);
        case 4:
                return guest_some_cluster(p) + mutate_random(p, 64) * 8;
        case 5:
                return guest_some_cluster(p) | COPIED |
                       (mutate_random(p, 3) ? 1 : 1ull << mutate_random(p, 64));
        case 6:
                return guest_some_cluster(p) | COMPRESSED;
        default:
                return guest_some_cluster(p) | (mutate_random(p, 2) ? COPIED : 0);
        }
}

void guest_refer(struct guest_pieces *p, uint64_t offset, uint32_t more)
{
        uint32_t bits = guest_cluster_bits(p);
        uint64_t cluster = offset >> bits;
        uint64_t per_block = 1ull << (bits - 1);
        uint64_t block = refcount_block(p, cluster / per_block);
        uint64_t at = block + cluster % per_block * 2;
        if (block)
                pieces_store(p, at, pieces_load(p, at, 2) + more, 2);
}

/* ---- fixing ----------------------------------------------------------------------- */

static void fix(struct guest_pieces *p, uint64_t offset, uint32_t bytes, uint64_t least,
                uint64_t most, uint64_t otherwise)
{
        uint64_t value = pieces_load(p, offset, bytes);
        if (value < least || value > most)
                pieces_store(p, offset, otherwise, bytes);
}

static void fix_inside(struct guest_pieces *p, uint64_t offset, uint64_t end)
{
        uint64_t size = 1ull << guest_cluster_bits(p);
        uint64_t value = pieces_load(p, offset, 8);
        if (value % size || value >= end)
                pieces_store(p, offset, guest_some_cluster(p), 8);
}

void guest_fix_header(struct guest_pieces *p)
{
        struct guest_input input;
        if (!guest_input_decode(p->data, p->size, &input))
                return;
        fix(p, 0, 4, MAGIC, MAGIC, MAGIC);
        fix(p, 4, 4, mutate_random(p, 16) ? 3 : 2, 3, 3);
        fix(p, 20, 4, 9, 16, 9);
        fix(p, 32, 4, 0, 0, 0);
        fix(p, 96, 4, mutate_random(p, 8) ? 4 : 0, mutate_random(p, 8) ? 4 : 6, 4);
        fix(p, 100, 4, 104, 256, 104);
        if (pieces_load(p, 100, 4) % 8)
                pieces_store(p, 100, 104, 4);
        fix(p, 24, 8, 1, 1ull << 32, 10240);
        fix(p, 72, 8, 0, mutate_random(p, 8) ? 0 : 31, 0);
        fix_inside(p, 40, input.image_size);
        fix_inside(p, 48, input.image_size);
        fix(p, 56, 4, 1, 8, 1);
        fix(p, 60, 4, 0, 16, 0);
        fix_inside(p, 64, input.image_size);
}
