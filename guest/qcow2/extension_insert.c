/* SPDX-License-Identifier: MIT */
/*
 * The first bitmap: a record where there is none.
 *
 * Readers stop at END, so whatever lies behind it can be written in the build.
 * What they see changes by the write to the sector in which END is: END turns
 * into the record's type and length.  If that is sector 0, the same write sets
 * the autoclear bit and is the switch.  If not, the record comes first, while the
 * autoclear bit is 0 (QEMU warns and reads on), and the bit is the switch: the
 * bit without a record would be deadly (the first guest write, or `qemu-img check
 * -r`, then marks the image as corrupt for good).
 *
 * The record goes to the end of the area.  If its body would cross a sector there
 * (and then be hard to change later) it goes first, at header_length, where
 * everything that shifts is in sector 0 or behind END; or a padding record of 8
 * or 16 bytes goes before it.
 */
#include "guest/qcow2/extension_plan.h"

#include "guest/rt/bytes.h"

struct placement {
        uint32_t at;      /* where the bytes are inserted */
        uint32_t padding; /* of these, before the record */
        uint32_t need;    /* end of the area afterwards, END included */
        uint32_t name;    /* where the name goes; 0: it stays */
};

static bool place_at(const struct extension_plan *plan, uint32_t at, uint32_t padding,
                     struct placement *place)
{
        place->at = at;
        place->padding = padding;
        place->need =
            plan->area_end + padding + QCOW2_BITMAPS_RECORD + QCOW2_EXTENSION_HEADER;
        return extension_name_target(plan, place->need, &place->name);
}

static bool find_place(const struct extension_plan *plan, struct placement *place)
{
        uint32_t end = plan->area_end;
        uint32_t first = plan->header->header_length;

        if (extension_body_crosses(end)) {
                bool end_in_first = end + QCOW2_EXTENSION_HEADER <= ABI_SECTOR;

                if (end_in_first && !extension_body_crosses(first))
                        return place_at(plan, first, 0, place);
                if (place_at(plan, end, extension_padding_for(end), place))
                        return true;
        }
        return place_at(plan, end, 0, place);
}

/* Edit `next`: the area as it will be. */
static void compose(struct extension_plan *plan, const struct placement *place,
                    const struct bitmaps_body *body)
{
        uint8_t *at = plan->next + place->at;

        memmove(at + place->padding + QCOW2_BITMAPS_RECORD, at,
                plan->area_end - place->at);
        if (place->padding)
                extension_store_padding(at, place->padding);
        extension_store_record(at + place->padding, body);
        extension_store_end(plan->next + place->need - QCOW2_EXTENSION_HEADER);
}

enum abi_code extension_insert(struct extension_plan *plan,
                               const struct bitmaps_body *body)
{
        uint32_t sector_end = extension_sector_end(plan->area_end);
        struct placement place;

        if (!find_place(plan, &place))
                return ABI_NO_SPACE;
        if (place.name && place.need <= ABI_SECTOR)
                extension_name_prepare(plan, place.name);
        else if (place.name)
                extension_name_move(plan, place.name);
        compose(plan, &place, body);
        if (place.need > sector_end)
                extension_plan_write(plan, sector_end, place.need - sector_end);
        if (sector_end > ABI_SECTOR) {
                extension_plan_barrier(plan);
                extension_plan_write(plan, plan->area_end, sector_end - plan->area_end);
        }
        extension_plan_autoclear(plan, true);
        extension_plan_switch(plan, 0, ABI_SECTOR);
        return ABI_OK;
}
