/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/damage.h"

#include "tests/unit/ops/random_edits.h"

#define MASK 0x00fffffffffffe00ull

static uint64_t cluster_size(const struct ops *ops)
{
        return 1ull << ops->read.cluster_bits;
}

/* A cluster of the file, mostly one that is metadata. */
static uint64_t some_cluster(const struct ops *ops)
{
        const struct made_places *p = &ops->places;
        uint64_t l2 = peek64(ops->image, p->l1) & MASK;
        const uint64_t places[] = {p->refcount_table,
                                   p->refcount_block,
                                   p->l1,
                                   p->first_data,
                                   p->snapshot_table,
                                   p->directory,
                                   p->tables[0],
                                   p->tables[random_below(MADE_MAX_BITMAPS)],
                                   l2};
        uint64_t which = random_below(12);
        if (which < 9 && places[which] && places[which] < ops->image->size)
                return places[which];
        return random_below(ops->image->size / cluster_size(ops) + 1) * cluster_size(ops);
}

/* A word that means something somewhere. */
static uint64_t some_word(const struct ops *ops)
{
        switch (random_below(8)) {
        case 0:
                return 0;
        case 1:
                return random_below(4);
        case 2:
                return UINT64_MAX >> random_below(64);
        case 3:
                return 1ull << random_below(64);
        case 4:
                return some_cluster(ops) + random_below(3) * 8;
        case 5:
                return 1ull << 63 | some_cluster(ops) |
                       (random_below(3) ? 0 : 1ull << random_below(64));
        default:
                return some_cluster(ops) | (random_below(4) ? 1ull << 63 : 0);
        }
}

/* Words stand at the beginning of most metadata, but in refcount blocks. */
static uint64_t some_place(const struct ops *ops)
{
        uint64_t cluster = random_below(3) ? some_cluster(ops) : 0;
        uint64_t length = random_below(2) ? 128 : cluster_size(ops);
        return cluster + random_below(length / 8) * 8;
}

static void flip_bit(struct ops *ops)
{
        uint64_t offset = some_place(ops) + random_below(8);
        uint8_t byte;
        native_image_read(ops->image, offset, &byte, 1);
        byte ^= (uint8_t)(1u << random_below(8));
        if (offset < ops->image->size)
                native_image_write(ops->image, offset, &byte, 1);
}

static void put_word(struct ops *ops)
{
        uint64_t offset = some_place(ops);
        if (offset + 8 > ops->image->size)
                return;
        if (random_below(2))
                poke64(ops->image, offset, some_word(ops));
        else
                poke32(ops->image, offset + random_below(2) * 4,
                       (uint32_t)some_word(ops));
}

static void put_refcount(struct ops *ops)
{
        uint64_t offset = ops->places.refcount_block +
                          random_below(ops->image->size / cluster_size(ops)) * 2;
        if (offset + 2 <= ops->image->size)
                poke16(ops->image, offset,
                       (uint16_t)random_below(random_below(2) ? 3 : 65536));
}

static void put_entry(struct ops *ops)
{
        uint64_t l2 = peek64(ops->image, ops->places.l1) & MASK;
        uint64_t tables[] = {ops->places.l1,
                             l2,
                             ops->places.refcount_table,
                             ops->places.tables[0],
                             ops->places.directory,
                             ops->places.snapshot_table};
        uint64_t table = tables[random_below(6)];
        if (table && table + 80 <= ops->image->size)
                poke64(ops->image, table + random_below(10) * 8, some_word(ops));
}

/* A part of the file that came to nothing, or never arrived. */
static void lose(struct ops *ops)
{
        uint64_t size = ops->image->size;
        if (random_below(2))
                native_image_punch(ops->image, (some_cluster(ops) + 512) / 512 * 512,
                                   512 * random_below(8));
        else
                native_image_resize(ops->image, size - random_below(size / 2));
}

void damage_once(struct ops *ops)
{
        switch (random_below(12)) {
        case 0:
        case 1:
                flip_bit(ops);
                break;
        case 2:
        case 3:
        case 4:
                put_word(ops);
                break;
        case 5:
        case 6:
                put_refcount(ops);
                break;
        case 7:
                if (!random_below(3))
                        lose(ops);
                break;
        default:
                put_entry(ops);
        }
}
