/* SPDX-License-Identifier: MIT */
/*
 * Which way the bitmaps record is changed (invariant 4).
 *
 * Three facts about readers decide all of it.  A sector of 512 bytes is written
 * wholly or not at all.  The chain of records is read up to END, so what lies
 * behind END, or in the data of a record of unknown type, is invisible.  The body
 * of the bitmaps record is read only while the autoclear bit is set; without the
 * bit QEMU warns and skips it, but the bit without the record, or with a body that
 * is half old and half new, loses the disk.
 *
 *     record   bit   wanted          way
 *     no       0     valid           extension_insert()
 *     yes      1     valid           the body, in one write; else extension_reseat()
 *     yes      0     invalid         the same
 *     yes      0     valid           the body, unseen; then the bit
 *     yes      any   none            extension_drop()
 */
#include "guest/qcow2/extension_plan.h"

#include "guest/rt/bytes.h"

/*
 * The farthest way goes a re-seat: the new chain starts behind the old END and
 * behind the chain that will be settled, which may be 16 bytes of padding longer
 * than the old one; the name goes behind that and behind itself.
 */
uint32_t extension_edit_reach(const struct header *header)
{
        uint64_t end = extension_area_end(header);
        uint64_t chain = QCOW2_BITMAPS_RECORD + QCOW2_EXTENSION_HEADER;
        uint64_t name_end = header->backing_offset + header->backing_size;
        uint64_t reach;

        if (header->has_bitmaps)
                chain = end - header->bitmaps_record + QCOW2_EXTENSION_HEADER;
        reach = end + QCOW2_EXTENSION_HEADER + EXTENSION_MAX_PADDING + chain;
        if (header->backing_offset)
                reach = (reach > name_end ? reach : name_end) + header->backing_size;
        if (reach < ABI_SECTOR)
                reach = ABI_SECTOR;
        return (uint32_t)(reach < header->cluster_size ? reach : header->cluster_size);
}

/* The record is there, and stays as visible as it is. */
static enum abi_code change_body(struct extension_plan *plan,
                                 const struct bitmaps_body *body)
{
        uint32_t at = plan->header->bitmaps_record + QCOW2_EXTENSION_HEADER;

        extension_store_body(plan->next + at, body);
        if (!extension_plan_one_sector(plan, at, QCOW2_BITMAPS_BODY)) {
                memcpy(plan->next + at, plan->now + at, QCOW2_BITMAPS_BODY);
                return extension_reseat(plan, body);
        }
        extension_plan_switch(plan, at, QCOW2_BITMAPS_BODY);
        return ABI_OK;
}

/* The record is there, stale or emptied, and becomes valid. */
static void publish_body(struct extension_plan *plan, const struct bitmaps_body *body)
{
        uint32_t at = plan->header->bitmaps_record + QCOW2_EXTENSION_HEADER;

        extension_store_body(plan->next + at, body);
        if (at + QCOW2_BITMAPS_BODY > ABI_SECTOR) {
                /* Not in the build: it names what is made durable there. */
                extension_plan_barrier(plan);
                extension_plan_write(plan, at, QCOW2_BITMAPS_BODY);
        }
        extension_plan_autoclear(plan, true);
        extension_plan_switch(plan, 0, ABI_SECTOR);
}

static enum abi_code remove_record(struct extension_plan *plan)
{
        if (plan->header->has_bitmaps)
                return extension_drop(plan);
        extension_plan_autoclear(plan, false);
        extension_plan_switch(plan, 0, ABI_SECTOR);
        return ABI_OK;
}

static enum abi_code choose(struct extension_plan *plan,
                            const struct bitmaps_body *wanted, bool publish)
{
        bool valid = plan->header->autoclear & QCOW2_AUTOCLEAR_BITMAPS;

        if (!wanted)
                return remove_record(plan);
        if (!plan->header->has_bitmaps && valid)
                return ABI_NO_AUTOCLEAR_EXTENSION;
        if (!plan->header->has_bitmaps)
                return publish ? extension_insert(plan, wanted) : ABI_BAD_ACTION;
        if (valid || !publish)
                return change_body(plan, wanted);
        publish_body(plan, wanted);
        return ABI_OK;
}

enum abi_code extension_edit(const struct header *header,
                             const struct header_bytes *bytes,
                             const struct bitmaps_body *wanted, bool publish,
                             struct header_edit *edit)
{
        struct extension_plan plan;
        enum abi_code code = extension_plan_begin(&plan, header, bytes, edit);

        if (code == ABI_OK)
                code = choose(&plan, wanted, publish);
        if (code == ABI_OK)
                code = plan.code;
        if (code != ABI_OK)
                edit->count = 0;
        return code;
}
