/* SPDX-License-Identifier: MIT */
/*
 * The bookkeeping under extension_edit(): two copies of the header cluster's
 * front.  `now` is what the writes planned so far leave on disk; `next` is
 * edited freely, and extension_plan_write() turns the bytes in which the two
 * differ into one write.  So a write never carries a byte that does not change,
 * except between its first and its last changed one.
 *
 * Errors of the plan itself (the arena is exhausted, too many writes) stick in
 * `code`; the steps that follow are then harmless, and the caller looks once.
 */
#ifndef INSTAR_GUEST_QCOW2_EXTENSION_PLAN_H
#define INSTAR_GUEST_QCOW2_EXTENSION_PLAN_H

#include "guest/qcow2/extension_edit.h"

#define EXTENSION_ALIGN 8u
/* Bytes of padding that push a record's body over a sector's border. */
#define EXTENSION_MAX_PADDING 16u

struct extension_plan {
        const struct header *header;
        struct header_edit *edit;
        enum abi_code code;
        uint8_t *now;
        uint8_t *next;
        uint32_t length; /* bytes of `now` and `next`; no write goes beyond */
        uint32_t phase;
        bool switched;        /* the switch has been planned */
        uint32_t limit;       /* the extension area's end; grows when the name moves */
        uint32_t area_end;    /* extension_area_end() */
        bool has_end;         /* an END record is really there */
        uint32_t padded_from; /* the bitmaps record, or our padding right before it */
};

/* Start at phase 0.  ABI_OK; ABI_TOO_LARGE if the arena is exhausted;
 * ABI_BAD_EXTENSION if the records are not the chain that `header` claims;
 * ABI_OVERFLOW if `bytes` are fewer than extension_edit_reach(). */
enum abi_code extension_plan_begin(struct extension_plan *plan,
                                   const struct header *header,
                                   const struct header_bytes *bytes,
                                   struct header_edit *edit);

/* Plan a write of what differs in [offset, offset + length); nothing if nothing
 * does.  The range is cut at the end of the copies. */
void extension_plan_write(struct extension_plan *plan, uint32_t offset, uint32_t length);

/* The same in a phase of its own, as the switch; what differs must lie in one
 * sector.  The second call in a plan is a plain write. */
void extension_plan_switch(struct extension_plan *plan, uint32_t offset, uint32_t length);

/* What follows starts after everything so far is durable. */
void extension_plan_barrier(struct extension_plan *plan);

/* True if what differs in [offset, offset + length) lies in one sector. */
bool extension_plan_one_sector(const struct extension_plan *plan, uint32_t offset,
                               uint32_t length);

/* Edit `next`: the autoclear bit; a record's type and length (an END, or the
 * padding that passes over `total` bytes, its own header included). */
void extension_plan_autoclear(struct extension_plan *plan, bool valid);
void extension_store_end(uint8_t *at);
void extension_store_padding(uint8_t *at, uint32_t total);
void extension_store_body(uint8_t *at, const struct bitmaps_body *body);
void extension_store_record(uint8_t *at, const struct bitmaps_body *body);

/* Where END is, or would be.  Without END, a name may start in the bytes that pad
 * the last record. */
static inline uint32_t extension_area_end(const struct header *header)
{
        return (header->extensions_end + EXTENSION_ALIGN - 1) & ~(EXTENSION_ALIGN - 1);
}

/* The end of the sector that holds `offset`. */
static inline uint32_t extension_sector_end(uint32_t offset)
{
        return (offset & ~(ABI_SECTOR - 1u)) + ABI_SECTOR;
}

/* True if the 24-byte body of a bitmaps record at `record` lies in two sectors. */
static inline bool extension_body_crosses(uint32_t record)
{
        uint32_t body = record + QCOW2_EXTENSION_HEADER;

        return body + QCOW2_BITMAPS_BODY > extension_sector_end(body);
}

/*
 * How far behind `at` a bitmaps record has to start so that its body does not
 * cross a sector: 0, or the 8 or 16 bytes of a padding record.
 */
static inline uint32_t extension_padding_for(uint32_t at)
{
        uint32_t padding = 0;

        while (extension_body_crosses(at + padding))
                padding += EXTENSION_ALIGN;
        return padding;
}

/* ---- extension_name.c ---------------------------------------------------- */

/*
 * The backing file name's offset once the extension area needs all bytes below
 * `need`: behind that, and behind the name as it is, so that both copies exist
 * at once; or right at `need`, where one write to sector 0 can move it.
 * 0: it stays.  False if there is no room.
 */
bool extension_name_target(const struct extension_plan *plan, uint32_t need,
                           uint32_t *target);

/* Move the name to `target` in phases of its own: copy, barrier, offset, barrier. */
void extension_name_move(struct extension_plan *plan, uint32_t target);

/* Prepare the name's move in `next`; its offset (and the name itself, where both
 * places lie in sector 0) is left for a write to sector 0 that the caller plans. */
void extension_name_prepare(struct extension_plan *plan, uint32_t target);

/* ---- extension_insert.c, extension_replace.c ----------------------------- */

/* No record yet: publish `body` in a new one.  ABI_OK or ABI_NO_SPACE. */
enum abi_code extension_insert(struct extension_plan *plan,
                               const struct bitmaps_body *body);

/* Give the record another body by giving it another place.  ABI_OK,
 * ABI_NO_SPACE, ABI_TOO_LARGE. */
enum abi_code extension_reseat(struct extension_plan *plan,
                               const struct bitmaps_body *body);

/* Drop the record.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code extension_drop(struct extension_plan *plan);

#endif
