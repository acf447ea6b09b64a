/* SPDX-License-Identifier: MIT */
/*
 * L1 tables that share a cluster with something else.  What is there is read as both, so
 * neither may be written over: the table goes on as a copy.
 */
#include "guest/ops/repair_state.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

/* Every cluster of [offset, +length). */
static bool all_are_only(const struct repair *r, uint64_t offset, uint64_t length,
                         enum check_role role)
{
        uint64_t size = r->h.cluster_size;
        for (uint64_t i = 0; i < length; i += size)
                if (!repair_is_only(r, offset + i, role))
                        return false;
        return true;
}

static uint64_t copy(struct repair *r, uint64_t offset, uint64_t length)
{
        uint8_t *bytes;
        uint64_t to = repair_allocate(r, divide_up(length, r->h.cluster_size), &bytes);
        if (!to)
                return 0;
        repair_read(offset, bytes, length);
        repair_tell(ABI_REPAIR_TABLE_COPIED, offset, to, 0);
        return to;
}

#define COPIED (1ull << 63)

/* Does any entry say that its table belongs to it alone?  No other table says that. */
static bool has_copied_entry(uint64_t offset, uint64_t entries)
{
        for (uint64_t i = 0; i < entries; i++)
                if (repair_entry(offset, entries, i) & COPIED)
                        return true;
        return false;
}

/* Where the header, the refcount table or a list is, there never was an L1 table, unless
 * it shows: its place is lost, and all data would be taken for leaked. */
static bool is_lost(const struct repair *r, uint64_t offset, uint64_t entries)
{
        uint64_t end = offset + entries * 8;
        bool shared = false;
        for (uint64_t i = offset; i < end && !shared; i += r->h.cluster_size) {
                uint64_t cluster = i >> r->h.cluster_bits;
                shared = !cluster || (cluster < r->role_clusters &&
                                      r->roles[cluster] & CHECK_ROLE_OTHER);
        }
        return shared &&
               (!(offset >> r->h.cluster_bits) || !has_copied_entry(offset, entries));
}

static enum abi_code copy_active(struct repair *r)
{
        uint64_t bytes = r->h.l1_size * 8ull;
        if (is_lost(r, r->h.l1_offset, r->h.l1_size))
                return fail(ABI_BAD_HEADER, ABI_HEADER_L1, r->h.l1_offset, 0, 0);
        if (all_are_only(r, r->h.l1_offset, bytes, CHECK_ROLE_L1))
                return ABI_OK;
        uint64_t to = copy(r, r->h.l1_offset, bytes);
        if (!to)
                return ABI_TOO_LARGE;
        store_be64(r->header.now + QCOW2_L1_FIELDS + 4, to);
        return repair_header_done(r);
}

static enum abi_code copy_snapshots(struct repair *r, const struct snapshot *s)
{
        uint64_t bytes = s->entries * 8ull;
        if (all_are_only(r, s->offset, bytes, CHECK_ROLE_L1))
                return ABI_OK;
        if (!repair_is_only(r, s->position, CHECK_ROLE_OTHER))
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_L1, s->position, 0, 0);
        uint64_t to = copy(r, s->offset, bytes);
        if (to)
                repair_refer_early(r);
        return to ? overlay_set(&r->overlay, OVERLAY_TABLE, s->position, s->offset, to)
                  : ABI_TOO_LARGE;
}

enum abi_code repair_l1(struct repair *r)
{
        struct snapshot_walk walk;
        struct snapshot s;
        uint64_t mark = arena_mark();
        enum abi_code code = copy_active(r);
        if (!code)
                code = snapshot_walk_begin(&walk, &r->h,
                                           repair_end_at(r, r->h.snapshots_offset));
        read_flush();
        while (!code && snapshot_walk_next(&walk, &s) == SNAPSHOT_ENTRY)
                code = copy_snapshots(r, &s);
        arena_release(mark);
        return code;
}
