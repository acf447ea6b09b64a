/* SPDX-License-Identifier: MIT */
/*
 * A repair's plan, as changes on top of the image: whoever reads the image meanwhile sees
 * them, so that the plan can be judged by the very code that judges images, before a
 * byte is written.
 *
 * All metadata of the format is aligned to 8 bytes, so what is changed in place are
 * words; what is new lies in extents that nothing refers to yet.  Words are numbers in
 * host byte order, of what is big-endian in the file.
 */
#ifndef INSTAR_GUEST_QCOW2_OVERLAY_H
#define INSTAR_GUEST_QCOW2_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/abi.h"

enum overlay_kind {
        OVERLAY_REFCOUNTS, /* raised before the switch, lowered behind it */
        OVERLAY_TABLE,     /* what tables, lists and data say */
        OVERLAY_HEADER,
};

/*
 * What a word says in the end, and on the way there: `first`, when nothing refers to
 * anything any more that is to be lowered; `between`, once the commit point is reached;
 * `now`, when what had to wait for the switch is done, too.
 */
struct overlay_values {
        uint64_t first;
        uint64_t between;
        uint64_t now;
};

struct overlay_word {
        uint64_t offset; /* in the file, a multiple of 8 */
        uint64_t old;
        struct overlay_values values;
        uint32_t kind; /* enum overlay_kind */
        uint32_t next; /* of the same sector: index + 1 */
};

struct overlay_extent {
        uint64_t offset; /* in the file; whole sectors */
        uint64_t length;
        uint8_t *bytes;
        bool early; /* something refers to it before the switch */
};

#define OVERLAY_MAX_EXTENTS 512u

struct overlay {
        uint64_t capacity;
        uint64_t count;
        struct overlay_word *words;
        uint64_t mask;
        uint32_t *slots; /* hash of sectors: index of the first word + 1 */
        uint8_t *pool;   /* for extents: theirs outlives what is put behind it */
        uint64_t pool_left;
        uint32_t extent_count;
        struct overlay_extent extents[OVERLAY_MAX_EXTENTS];
};

/* Start: reads go through it from now on.  Takes its share of the arena.  ABI_OK or
 * ABI_TOO_LARGE. */
enum abi_code overlay_start(struct overlay *overlay);

/* Reads show the image as it is again. */
void overlay_stop(void);

/*
 * Change a word.  `seen` is what it says through the overlay, and stands for what the
 * file has where the word was not changed before.  ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code overlay_put(struct overlay *overlay, enum overlay_kind kind,
                          uint64_t offset, uint64_t seen, struct overlay_values values);

/* The same where the word changes in one step. */
static inline enum abi_code overlay_set(struct overlay *overlay, enum overlay_kind kind,
                                        uint64_t offset, uint64_t seen, uint64_t now)
{
        return overlay_put(overlay, kind, offset, seen,
                           (struct overlay_values){now, now, now});
}

/* The same for `length` bytes, a multiple of 8 at a multiple of 8; what is equal is left
 * alone. */
enum abi_code overlay_put_bytes(struct overlay *overlay, enum overlay_kind kind,
                                uint64_t offset, const uint8_t *seen, const uint8_t *now,
                                uint64_t length);

/* A new extent of zeros, to be filled in.  NULL: too large. */
uint8_t *overlay_extent(struct overlay *overlay, uint64_t offset, uint64_t length);

/* True if the word at `offset` was put, and not into an extent. */
bool overlay_has(const struct overlay *overlay, uint64_t offset);

/* True if nothing changes. */
bool overlay_is_empty(const struct overlay *overlay);

/* Put the words in the order of their offsets.  After overlay_stop(): nothing can be
 * put any more. */
void overlay_sort(struct overlay *overlay);

#endif
