/* SPDX-License-Identifier: MIT */
/* A bitmap's table and data: can every bit be read, and is it the bitmap's own? */
#include "guest/ops/repair_bitmaps.h"
#include "guest/qcow2/table.h"
#include "guest/qcow2/table_readahead.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"

bool repair_is_shared(const struct check *check, uint64_t offset, uint64_t length)
{
        uint32_t bits = check->image.header.cluster_bits;
        if (!length)
                return false;
        for (uint64_t c = offset >> bits; c <= (offset + length - 1) >> bits; c++)
                if (check_references(check, c) > 1)
                        return true;
        return false;
}

static enum abi_repair_reason reason_of(const struct list *l, uint64_t entry)
{
        const struct header *h = &l->repair->h;
        uint64_t end = repair_end_at(l->repair, entry & QCOW2_OFFSET_MASK);
        switch (table_entry_kind(h, entry, end)) {
        case TABLE_ENTRY_INVALID:
                return table_entry_kind(h, entry, TABLE_ANYWHERE) == TABLE_ENTRY_INVALID
                           ? ABI_REPAIR_REASON_TABLE
                           : ABI_REPAIR_REASON_BEYOND_END;
        case TABLE_ENTRY_DATA:
                return l->counted &&
                               repair_is_shared(l->counted, entry & QCOW2_OFFSET_MASK,
                                                h->cluster_size)
                           ? ABI_REPAIR_REASON_SHARED
                           : 0;
        default:
                return 0;
        }
}

static enum abi_repair_reason
look_at_table(const struct list *l, const struct directory_entry *e, uint64_t *last)
{
        uint64_t bytes = e->table_entries * 8ull;
        enum abi_repair_reason reason = 0;
        if (!range_inside(e->table_offset, bytes,
                          repair_end_at(l->repair, e->table_offset)))
                return ABI_REPAIR_REASON_BEYOND_END;
        if (l->counted && repair_is_shared(l->counted, e->table_offset, bytes))
                return ABI_REPAIR_REASON_SHARED;
        for (uint64_t i = 0; i < e->table_entries && !reason; i++) {
                *last = table_readahead_entry(e, i);
                reason = reason_of(l, *last);
        }
        return reason;
}

/* Bits behind the end of the disk shall be zero ("Bitmap data"). */
static enum abi_code clear_tail(struct list *l, const struct directory_entry *e,
                                uint64_t last)
{
        struct repair *r = l->repair;
        uint64_t size = r->h.cluster_size;
        uint64_t used = bitmap_bits(&r->h, e->granularity_bits) % (size * 8);
        uint64_t offset = last & QCOW2_OFFSET_MASK;
        if (!used || e->flags & QCOW2_BITMAP_IN_USE ||
            table_entry_kind(&r->h, last, repair_end_at(r, offset)) != TABLE_ENTRY_DATA)
                return ABI_OK;
        uint64_t mark = arena_mark();
        uint64_t first = bitmap_tail_start(&r->h, e->granularity_bits);
        const uint8_t *seen = table_readahead_tail(e);
        uint8_t *now = arena_alloc(size - first);
        enum abi_code code = seen && now ? ABI_OK : ABI_TOO_LARGE;
        if (!code) {
                for (uint64_t i = 0; i < used / 8 - first; i++)
                        now[i] = seen[i];
                if (used % 8)
                        now[used / 8 - first] =
                            seen[used / 8 - first] & (uint8_t)((1u << used % 8) - 1);
                uint64_t before = r->overlay.count;
                code = overlay_put_bytes(&r->overlay, OVERLAY_TABLE, offset + first, seen,
                                         now, size - first);
                if (r->overlay.count != before)
                        repair_tell_bitmap(ABI_REPAIR_BITMAP_MENDED, 1, 0, e->name,
                                           e->name_length);
        }
        arena_release(mark);
        return code;
}

enum abi_code repair_bitmap_data(struct list *l, const struct directory_entry *e,
                                 enum abi_repair_reason *reason)
{
        uint64_t last = 0;
        *reason = look_at_table(l, e, &last);
        /* Only once the cluster is known to be the bitmap's own. */
        return *reason || !l->counted ? ABI_OK : clear_tail(l, e, last);
}
