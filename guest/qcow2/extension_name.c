/* SPDX-License-Identifier: MIT */
/*
 * Moving the backing file name.
 *
 * QEMU puts the name right behind END, and header bytes 8..15 say both where the
 * name is and where the extension area ends.  So before the area can grow, the
 * name must be there twice, and the offset is what turns from one copy to the
 * other: readers then see an area that is longer, but still stops at its old END.
 * An area without END (it is filled to the last byte) would run on into the old
 * name; it gets its END by the same write, which has to lie in sector 0.
 */
#include "guest/qcow2/extension_plan.h"

#include "guest/rt/bytes.h"

bool extension_name_target(const struct extension_plan *plan, uint32_t need,
                           uint32_t *target)
{
        const struct header *header = plan->header;
        uint64_t old_end = header->backing_offset + header->backing_size;
        uint64_t behind = need > old_end ? need : old_end;

        *target = 0;
        if (need <= plan->limit)
                return true;
        if (!header->backing_offset || old_end > plan->length)
                return false;
        *target = need;
        if ((uint64_t)need + header->backing_size <= ABI_SECTOR)
                return true;
        if (behind + header->backing_size > plan->length)
                return false;
        *target = (uint32_t)behind;
        return plan->has_end || plan->area_end + QCOW2_EXTENSION_HEADER <= ABI_SECTOR;
}

static void copy_name(struct extension_plan *plan, uint32_t target)
{
        const struct header *header = plan->header;

        memmove(plan->next + target, plan->next + header->backing_offset,
                header->backing_size);
}

void extension_name_prepare(struct extension_plan *plan, uint32_t target)
{
        const struct header *header = plan->header;

        copy_name(plan, target);
        if (target + header->backing_size > ABI_SECTOR)
                extension_plan_write(plan, target, header->backing_size);
        store_be64(plan->next + QCOW2_BACKING_OFFSET, target);
        plan->limit = target;
}

void extension_name_move(struct extension_plan *plan, uint32_t target)
{
        extension_name_prepare(plan, target);
        if (!plan->has_end)
                extension_store_end(plan->next + plan->area_end);
        plan->has_end = true;
        extension_plan_barrier(plan);
        extension_plan_write(plan, 0, ABI_SECTOR);
        extension_plan_barrier(plan);
}
