/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/extension_plan.h"

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"

/*
 * Walk the chain to its end.  It must be what `header` claims, because offsets
 * are computed from that; on the way one sees where our own padding starts that
 * may stand right before the bitmaps record.
 */
static enum abi_code check_chain(struct extension_plan *plan)
{
        uint64_t at = plan->header->header_length;
        uint64_t padding = UINT64_MAX; /* start of the padding that ends at `at` */

        while (at < plan->area_end) {
                const uint8_t *record = plan->now + at;

                if (!range_inside(at, QCOW2_EXTENSION_HEADER, plan->length))
                        return ABI_BAD_EXTENSION;
                if (plan->header->has_bitmaps && at == plan->header->bitmaps_record)
                        plan->padded_from = (uint32_t)(padding < at ? padding : at);
                if (load_be32(record) != QCOW2_EXTENSION_PADDING)
                        padding = UINT64_MAX;
                else if (padding > at)
                        padding = at;
                at += QCOW2_EXTENSION_HEADER +
                      divide_up(load_be32(record + 4), EXTENSION_ALIGN) * EXTENSION_ALIGN;
        }
        if (at != plan->area_end || (plan->header->has_bitmaps && !plan->padded_from))
                return ABI_BAD_EXTENSION;
        return ABI_OK;
}

enum abi_code extension_plan_begin(struct extension_plan *plan,
                                   const struct header *header,
                                   const struct header_bytes *bytes,
                                   struct header_edit *edit)
{
        uint32_t reach = extension_edit_reach(header);

        memset(plan, 0, sizeof *plan);
        edit->count = 0;
        plan->header = header;
        plan->edit = edit;
        plan->length = reach;
        plan->limit = header->extensions_limit;
        plan->has_end = header->extensions_end < header->extensions_limit;
        plan->area_end = extension_area_end(header);
        if (bytes->length < reach)
                return ABI_OVERFLOW;
        plan->now = arena_alloc(plan->length);
        plan->next = arena_alloc(plan->length);
        if (!plan->now || !plan->next)
                return ABI_TOO_LARGE;
        memcpy(plan->now, bytes->bytes, plan->length);
        /* Unknown bits may still be in `bytes`, but they are cleared before phase 0. */
        store_be64(plan->now + QCOW2_AUTOCLEAR_FIELD, header->autoclear);
        memcpy(plan->next, plan->now, plan->length);
        return check_chain(plan);
}

/* Cut [*from, *to) to the bytes that differ; false if none does. */
static bool changed_range(const struct extension_plan *plan, uint32_t *from, uint32_t *to)
{
        if (*to > plan->length)
                *to = plan->length;
        while (*from < *to && plan->now[*from] == plan->next[*from])
                (*from)++;
        while (*to > *from && plan->now[*to - 1] == plan->next[*to - 1])
                (*to)--;
        return *from < *to;
}

static void add_write(struct extension_plan *plan, uint32_t from, uint32_t to,
                      bool is_switch)
{
        struct header_edit *edit = plan->edit;
        uint8_t *copy = arena_alloc(to - from);

        if (!copy || edit->count == HEADER_EDIT_MAX_WRITES) {
                plan->code = ABI_TOO_LARGE;
                return;
        }
        memcpy(copy, plan->next + from, to - from);
        memcpy(plan->now + from, plan->next + from, to - from);
        edit->writes[edit->count++] = (struct header_write){
            .phase = plan->phase,
            .is_switch = is_switch,
            .offset = from,
            .length = to - from,
            .bytes = copy,
        };
}

void extension_plan_write(struct extension_plan *plan, uint32_t offset, uint32_t length)
{
        uint32_t from = offset;
        uint32_t to = offset + length;

        if (changed_range(plan, &from, &to))
                add_write(plan, from, to, false);
}

void extension_plan_switch(struct extension_plan *plan, uint32_t offset, uint32_t length)
{
        uint32_t from = offset;
        uint32_t to = offset + length;

        extension_plan_barrier(plan);
        if (!changed_range(plan, &from, &to))
                return;
        add_write(plan, from, to, !plan->switched);
        plan->switched = true;
        extension_plan_barrier(plan);
}

void extension_plan_barrier(struct extension_plan *plan)
{
        const struct header_edit *edit = plan->edit;

        /* An empty phase is none; but nothing visible happens in phase 0. */
        if (plan->phase == 0 ||
            (edit->count && edit->writes[edit->count - 1].phase == plan->phase))
                plan->phase++;
}

bool extension_plan_one_sector(const struct extension_plan *plan, uint32_t offset,
                               uint32_t length)
{
        uint32_t from = offset;
        uint32_t to = offset + length;

        return !changed_range(plan, &from, &to) || to <= extension_sector_end(from);
}

void extension_plan_autoclear(struct extension_plan *plan, bool valid)
{
        uint64_t autoclear = load_be64(plan->next + QCOW2_AUTOCLEAR_FIELD);

        autoclear &= ~(uint64_t)QCOW2_AUTOCLEAR_BITMAPS;
        if (valid)
                autoclear |= QCOW2_AUTOCLEAR_BITMAPS;
        store_be64(plan->next + QCOW2_AUTOCLEAR_FIELD, autoclear);
}

void extension_store_end(uint8_t *at)
{
        memset(at, 0, QCOW2_EXTENSION_HEADER);
}

void extension_store_padding(uint8_t *at, uint32_t total)
{
        store_be32(at, QCOW2_EXTENSION_PADDING);
        store_be32(at + 4, total - QCOW2_EXTENSION_HEADER);
}

void extension_store_body(uint8_t *at, const struct bitmaps_body *body)
{
        store_be32(at, body->count);
        store_be32(at + 4, 0);
        store_be64(at + 8, body->directory_size);
        store_be64(at + 16, body->directory_offset);
}

void extension_store_record(uint8_t *at, const struct bitmaps_body *body)
{
        store_be32(at, QCOW2_EXTENSION_BITMAPS);
        store_be32(at + 4, QCOW2_BITMAPS_BODY);
        extension_store_body(at + QCOW2_EXTENSION_HEADER, body);
}
