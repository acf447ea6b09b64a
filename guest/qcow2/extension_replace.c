/* SPDX-License-Identifier: MIT */
/*
 * Changing the chain of records in its middle: re-seating the bitmaps record,
 * and dropping it.
 *
 * What is visible of a chain from some point on is decided by the 8 bytes there,
 * type and length.  So a new chain is written behind END (invisible), and an
 * 8-byte write turns the record into padding that covers everything up to it:
 *
 *     | bitmaps | B | C | END |
 *     | bitmaps | B | C | END | bitmaps' | B | C | END |
 *     | padding ............. | bitmaps' | B | C | END |       <- the switch
 *
 * Everything under the padding is free now.  It takes the chain as it should be,
 * but for its first 8 bytes; and these then end the padding:
 *
 *     | padding | bitmaps'| B | C | END ...                    <- settled
 *
 * so that padding does not pile up when QEMU and we edit in turn (QEMU keeps
 * unknown records, and writes the bitmaps record to its own place every time).
 * A settled re-seat leaves 8 or 16 bytes of padding, which push the body over the
 * sector's border; a dropped record leaves none.
 */
#include "guest/qcow2/extension_plan.h"

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"

/* A part of the extension area as it should be, END included. */
struct chain {
        uint8_t *bytes;
        uint32_t length;
};

/* Append the records behind the bitmaps record, but for our own padding. */
static void append_tail(const struct extension_plan *plan, struct chain *chain)
{
        uint32_t at = plan->header->bitmaps_record + QCOW2_BITMAPS_RECORD;

        while (at < plan->area_end) {
                const uint8_t *record = plan->now + at;
                uint32_t used = QCOW2_EXTENSION_HEADER + load_be32(record + 4);
                uint32_t total = (used + EXTENSION_ALIGN - 1) & ~(EXTENSION_ALIGN - 1);

                if (load_be32(record) != QCOW2_EXTENSION_PADDING) {
                        memcpy(chain->bytes + chain->length, record, used);
                        chain->length += total;
                }
                at += total;
        }
}

/* The chain from `padded_from` on: `padding` bytes, the record with `body` (NULL:
 * none), the other records, END. */
static enum abi_code build_chain(const struct extension_plan *plan, uint32_t padding,
                                 const struct bitmaps_body *body, struct chain *chain)
{
        uint32_t tail = plan->area_end - plan->header->bitmaps_record;

        chain->length = 0;
        chain->bytes = arena_alloc((uint64_t)tail + padding + QCOW2_EXTENSION_HEADER);
        if (!chain->bytes)
                return ABI_TOO_LARGE;
        if (padding) {
                extension_store_padding(chain->bytes, padding);
                chain->length += padding;
        }
        if (body) {
                extension_store_record(chain->bytes + chain->length, body);
                chain->length += QCOW2_BITMAPS_RECORD;
        }
        append_tail(plan, chain);
        chain->length += QCOW2_EXTENSION_HEADER; /* END: zeros */
        return ABI_OK;
}

/* Put `chain` in the place of the padding that hides everything below `used`. */
static void settle(struct extension_plan *plan, const struct chain *chain, uint32_t used)
{
        uint32_t from = plan->padded_from;
        uint32_t end = from + chain->length;

        memcpy(plan->next + from + QCOW2_EXTENSION_HEADER,
               chain->bytes + QCOW2_EXTENSION_HEADER,
               chain->length - QCOW2_EXTENSION_HEADER);
        extension_plan_barrier(plan);
        extension_plan_write(plan, from, chain->length);
        memcpy(plan->next + from, chain->bytes, QCOW2_EXTENSION_HEADER);
        extension_plan_barrier(plan);
        extension_plan_write(plan, from, QCOW2_EXTENSION_HEADER);
        memset(plan->next + end, 0, used - end);
        extension_plan_barrier(plan);
        extension_plan_write(plan, end, used - end);
}

enum abi_code extension_reseat(struct extension_plan *plan,
                               const struct bitmaps_body *body)
{
        uint32_t from = plan->padded_from;
        uint32_t padding = extension_padding_for(from);
        uint32_t spare = plan->area_end + QCOW2_EXTENSION_HEADER;
        uint32_t length, name;
        struct chain chain;
        enum abi_code code = build_chain(plan, padding, body, &chain);

        if (code != ABI_OK)
                return code;
        /* The settled chain has to fit under the padding. */
        if (spare < from + chain.length)
                spare = from + chain.length;
        length = chain.length - padding;
        if (!extension_name_target(plan, spare + length, &name))
                return ABI_NO_SPACE;
        if (name)
                extension_name_move(plan, name);
        memcpy(plan->next + spare, chain.bytes + padding, length);
        extension_plan_write(plan, spare, length);
        extension_store_padding(plan->next + from, spare - from);
        extension_plan_switch(plan, from, QCOW2_EXTENSION_HEADER);
        settle(plan, &chain, spare + length);
        return ABI_OK;
}

/* All that changes up to the new END lies in one sector: one write there. */
static void drop_at_once(struct extension_plan *plan, const struct chain *chain,
                         uint32_t used)
{
        uint32_t from = plan->padded_from;
        uint32_t sector_end = extension_sector_end(from);

        if (sector_end > ABI_SECTOR)
                extension_plan_switch(plan, 0, ABI_SECTOR); /* if the bit was set */
        memcpy(plan->next + from, chain->bytes, chain->length);
        memset(plan->next + from + chain->length, 0, used - from - chain->length);
        extension_plan_switch(plan, sector_end - ABI_SECTOR, ABI_SECTOR);
        if (used > sector_end)
                extension_plan_write(plan, sector_end, used - sector_end);
}

/* By way of a copy behind END. */
static void drop_by_copy(struct extension_plan *plan, const struct chain *chain)
{
        uint32_t from = plan->padded_from;
        uint32_t spare = plan->area_end + QCOW2_EXTENSION_HEADER;

        memcpy(plan->next + spare, chain->bytes, chain->length);
        extension_plan_write(plan, spare, chain->length);
        extension_plan_switch(plan, 0, ABI_SECTOR); /* if the bit was set */
        extension_store_padding(plan->next + from, spare - from);
        extension_plan_switch(plan, from, QCOW2_EXTENSION_HEADER);
        settle(plan, chain, spare + chain->length);
}

/*
 * There is no room for a copy: the record stays, says that there are no bitmaps,
 * and is invisible without the autoclear bit.  The count alone is what matters,
 * and it is in one sector; the rest follows.
 */
static void empty_record(struct extension_plan *plan)
{
        uint32_t body = plan->header->bitmaps_record + QCOW2_EXTENSION_HEADER;

        extension_plan_switch(plan, 0, ABI_SECTOR); /* if the bit was set */
        memset(plan->next + body, 0, QCOW2_BITMAPS_BODY);
        if (!extension_plan_one_sector(plan, body, QCOW2_BITMAPS_BODY))
                extension_plan_switch(plan, body, 8);
        extension_plan_switch(plan, body, QCOW2_BITMAPS_BODY);
}

enum abi_code extension_drop(struct extension_plan *plan)
{
        uint32_t from = plan->padded_from;
        uint32_t used = plan->area_end + QCOW2_EXTENSION_HEADER;
        struct chain chain;
        enum abi_code code = build_chain(plan, 0, NULL, &chain);

        if (code != ABI_OK)
                return code;
        extension_plan_autoclear(plan, false);
        if (from + chain.length <= extension_sector_end(from))
                drop_at_once(plan, &chain, used < plan->limit ? used : plan->limit);
        else if (used + chain.length <= plan->limit)
                drop_by_copy(plan, &chain);
        else
                empty_record(plan);
        return ABI_OK;
}
