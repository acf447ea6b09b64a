/* SPDX-License-Identifier: MIT */
/*
 * L1 and L2 entries.  What can be read of the disk reads the same afterwards; what
 * cannot reads as zeros, and is told.  A table is written in place only where its
 * cluster is nothing but such a table: else a copy is mended.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

#define COPIED      (1ull << 63)
#define COMPRESSED  (1ull << 62)
#define ZERO        1ull
#define L1_RESERVED 0x7f000000000001ffull
#define L2_RESERVED 0x3f000000000001feull
#define ALLOCATED   0xffffffffull /* subclusters, the low half of the bitmap */

/* The checker hands over no more than itself. */
static struct repair *current;
static bool skims; /* what is going to be changed is left out, and nothing is changed */

static void note(struct check *c, enum abi_code code)
{
        if (!c->mend_code)
                c->mend_code = code;
}

static void put(struct check *c, uint64_t offset, uint64_t seen, uint64_t now)
{
        note(c, overlay_set(&current->overlay, OVERLAY_TABLE, offset, seen, now));
        current->changed = true;
}

/* Nothing else is there, so that a change harms nobody else. */
bool repair_is_only(const struct repair *r, uint64_t offset, enum check_role role)
{
        uint64_t cluster = offset >> r->h.cluster_bits;
        return cluster >= r->role_clusters || r->roles[cluster] == role ||
               !r->roles[cluster];
}

/* Of the file as it was; but once the first round has set right what named clusters
 * there, what does is the plan's own; and so is in that round what it has put already,
 * where a table is come to twice. */
static bool is_beyond_end(const struct check *c, const struct check_place *place,
                          uint64_t offset, uint64_t length)
{
        const struct repair *r = current;
        uint64_t file_length = divide_up(r->call->file_size, ABI_SECTOR) * ABI_SECTOR;
        uint64_t end;
        if (!checked_add(offset, length, &end))
                return true;
        if ((r->round || overlay_has(&r->overlay, place->offset)) &&
            end <= repair_end_at(r, offset))
                return false;
        if (end < file_length + c->image.header.cluster_size)
                return false;
        current->named_beyond = true;
        return true;
}

/* ---- L1 -------------------------------------------------------------------------------
 */

/* The table is something else, too: it goes on as a copy of its own. */
static uint64_t copy_table(struct check *c, uint64_t entry)
{
        struct repair *r = current;
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        uint8_t *bytes;
        uint64_t copy = repair_allocate(r, 1, &bytes);
        if (!copy) {
                note(c, ABI_TOO_LARGE);
                return entry;
        }
        repair_refer_early(r);
        repair_read(offset, bytes, r->h.cluster_size);
        repair_tell(ABI_REPAIR_TABLE_COPIED, offset, copy, 0);
        return copy | COPIED;
}

static uint64_t mended_l1(struct check *c, const struct check_place *place,
                          uint64_t entry)
{
        uint64_t size = c->image.header.cluster_size;
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        uint64_t covered = size / (c->extended_l2 ? 16 : 8) * size;
        if (!offset || is_beyond_end(c, place, offset, size)) {
                current->entries++; /* it read as if there were none */
                return 0;
        }
        if (skims)
                return offset % size ? 0 : entry & ~L1_RESERVED;
        if (offset % size) {
                if (place->active)
                        repair_tell(ABI_REPAIR_TABLE_LOST, place->disk_offset, covered,
                                    0);
                else
                        current->entries++;
                return 0;
        }
        if (entry & L1_RESERVED)
                current->entries++;
        entry &= ~L1_RESERVED;
        return repair_is_only(current, offset, CHECK_ROLE_L2) ? entry
                                                              : copy_table(c, entry);
}

static uint64_t mend_l1(struct check *c, const struct check_place *place, uint64_t entry)
{
        uint64_t now = mended_l1(c, place, entry);
        if (now == entry || skims)
                return now;
        if (!repair_is_only(current, place->offset, CHECK_ROLE_L1))
                note(c, fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_L1, place->offset, 0, 0));
        put(c, place->offset, entry, now);
        return now;
}

/* ---- L2 -------------------------------------------------------------------------------
 */

static void note_lost(const struct check_place *place)
{
        struct repair *r = current;
        if (!r->lost_clusters++)
                r->lost_first = place->active ? place->disk_offset : UINT64_MAX;
}

/* One for all, as far as a refcount of version 2 counts. */
static uint64_t zero_cluster(struct check *c)
{
        struct repair *r = current;
        uint8_t *bytes;
        if (!r->zero_cluster || r->zero_uses == UINT16_MAX) {
                r->zero_cluster = repair_allocate(r, 1, &bytes);
                r->zero_uses = 0;
                if (r->zero_cluster)
                        repair_refer_early(r);
                else
                        note(c, ABI_TOO_LARGE);
        }
        r->zero_uses++;
        return r->zero_cluster;
}

/* A cluster that reads as zeros.  Version 2 has no flag for that; and what lies behind
 * the end of the file of an encrypted image reads as decrypted zeros, not as zeros. */
static void make_zero(struct check *c, uint64_t *entry, uint64_t *bitmap)
{
        bool says_zeros = c->extended_l2 ? !(*bitmap & ALLOCATED)
                                         : *entry & ZERO && c->image.header.version >= 3;
        if (skims) {
                *entry = 0;
                *bitmap = 0;
        } else if (!says_zeros &&
                   (c->image.header.crypt_method || c->image.header.version < 3)) {
                *entry = zero_cluster(c);
        } else if (c->extended_l2) {
                *entry = 0;
                *bitmap = (*bitmap | *bitmap << 32) & ~ALLOCATED;
        } else {
                *entry = ZERO;
        }
}

static void mend_compressed(struct check *c, const struct check_place *place,
                            uint64_t *entry, uint64_t *bitmap)
{
        uint32_t bits = c->image.header.cluster_bits;
        uint32_t shift = 62 - (bits - 8);
        uint64_t offset = *entry & ((1ull << shift) - 1);
        uint64_t sectors = (*entry >> shift & ((1ull << (bits - 8)) - 1)) + 1;
        *entry &= ~COPIED;
        if (c->data_file ||
            is_beyond_end(c, place, offset, sectors * ABI_SECTOR - offset % ABI_SECTOR)) {
                note_lost(place);
                if (c->extended_l2)
                        *bitmap = ALLOCATED;
                make_zero(c, entry, bitmap);
        } else {
                *bitmap = 0;
        }
}

/* Subclusters that are both cannot be read. */
static void mend_subclusters(const struct check *c, const struct check_place *place,
                             uint64_t offset, uint64_t *bitmap)
{
        uint64_t both = *bitmap >> 32 & *bitmap & ALLOCATED;
        if (!c->extended_l2)
                return;
        if (both) {
                note_lost(place);
                *bitmap &= ~both;
        }
        if (!offset && !c->data_file && *bitmap & ALLOCATED) {
                note_lost(place);
                *bitmap = (*bitmap | *bitmap << 32) & ~ALLOCATED;
        }
}

static void mend_standard(struct check *c, const struct check_place *place,
                          uint64_t *entry, uint64_t *bitmap)
{
        uint64_t size = c->image.header.cluster_size;
        *entry &= ~L2_RESERVED;
        uint64_t offset = *entry & QCOW2_OFFSET_MASK;
        bool has_data = c->extended_l2 ? *bitmap & ALLOCATED : !(*entry & ZERO);
        mend_subclusters(c, place, offset, bitmap);
        if (!offset)
                return;
        if (offset % size) {
                if (has_data)
                        note_lost(place);
                make_zero(c, entry, bitmap);
        } else if (!c->data_file && is_beyond_end(c, place, offset, size)) {
                make_zero(c, entry, bitmap); /* as it read */
        }
}

static void mend_l2(struct check *c, const struct check_place *place, uint64_t *entry,
                    uint64_t *bitmap)
{
        uint64_t old_entry = *entry;
        uint64_t old_bitmap = *bitmap;
        uint64_t lost = current->lost_clusters;
        if (*entry & COMPRESSED)
                mend_compressed(c, place, entry, bitmap);
        else
                mend_standard(c, place, entry, bitmap);
        if ((*entry == old_entry && *bitmap == old_bitmap) || skims)
                return;
        if (lost == current->lost_clusters)
                current->entries++;
        if (*entry != old_entry)
                put(c, place->offset, old_entry, *entry);
        if (*bitmap != old_bitmap)
                put(c, place->offset + 8, old_bitmap, *bitmap);
}

/* ---- all of them
 * ------------------------------------------------------------------------ */

static const struct check_mend mending = {mend_l1, mend_l2};

enum abi_code repair_roles(struct repair *r, struct check *check)
{
        current = r;
        skims = true;
        enum abi_code code = repair_look(r, &mending, true, check);
        skims = false;
        r->entries = 0;
        r->lost_clusters = 0;
        return code;
}

enum abi_code repair_entries(struct repair *r)
{
        uint64_t mark = arena_mark();
        struct check *check = arena_alloc(sizeof *check);
        if (!check)
                return ABI_TOO_LARGE;
        current = r;
        enum abi_code code = repair_look(r, &mending, false, check);
        arena_release(mark);
        if (!code && r->entries)
                repair_tell(ABI_REPAIR_ENTRIES, r->entries, 0, 0);
        if (!code && r->lost_clusters)
                repair_tell(ABI_REPAIR_DATA_LOST, r->lost_clusters, r->lost_first, 0);
        r->entries = 0;
        r->lost_clusters = 0;
        return code;
}

/* ---- COPIED flags
 * ------------------------------------------------------------------------ */

struct copied {
        struct repair *repair;
        struct check *counted; /* references, and the refcounts on disk */
};

static struct copied flags;

/* When a flag may change: it says what the refcount says then. */
enum when { AT_ONCE, ONCE_LOWERED, BEHIND_SWITCH };

/* The flag that the entry is to have. */
static uint64_t wanted_flag(const struct check *c, uint64_t offset, enum when *when)
{
        const struct repair *r = flags.repair;
        uint64_t cluster = offset >> c->image.header.cluster_bits;
        uint64_t references = check_references(flags.counted, cluster);
        uint64_t refcount;
        *when = AT_ONCE;
        if (references != 1)
                return 0;
        if (check_refcount(flags.counted, cluster, &refcount) && refcount > 1 &&
            !r->rebuild)
                *when = r->drops_late ? BEHIND_SWITCH : ONCE_LOWERED;
        return COPIED;
}

/* A table that is something else, too, is left as it is: where all is mended it was made
 * a copy before. */
static uint64_t set_flag(struct check *c, const struct check_place *place,
                         enum check_role role, uint64_t entry, uint64_t wanted,
                         enum when when)
{
        uint64_t now = (entry & ~COPIED) | wanted;
        if (now == entry || !repair_is_only(flags.repair, place->offset, role))
                return entry;
        struct overlay_values values = {.first = when == AT_ONCE ? now : entry,
                                        .between = when == BEHIND_SWITCH ? entry : now,
                                        .now = now};
        note(c, overlay_put(&flags.repair->overlay, OVERLAY_TABLE, place->offset, entry,
                            values));
        flags.repair->copied++;
        return now;
}

static uint64_t flag_l1(struct check *c, const struct check_place *place, uint64_t entry)
{
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        enum when when;
        if (!place->active || !offset)
                return entry;
        uint64_t wanted = wanted_flag(c, offset, &when);
        return set_flag(c, place, CHECK_ROLE_L1, entry, wanted, when);
}

static void flag_l2(struct check *c, const struct check_place *place, uint64_t *entry,
                    uint64_t *bitmap)
{
        uint64_t offset = *entry & QCOW2_OFFSET_MASK;
        enum when when;
        if (!place->active || *entry & COMPRESSED)
                return;
        if (c->data_file) {
                bool allocated =
                    offset || (*entry & COPIED && (c->extended_l2 || !(*entry & ZERO)));
                if (allocated)
                        *entry =
                            set_flag(c, place, CHECK_ROLE_L2, *entry, COPIED, AT_ONCE);
        } else if (offset) {
                uint64_t wanted = wanted_flag(c, offset, &when);
                *entry = set_flag(c, place, CHECK_ROLE_L2, *entry, wanted, when);
        }
        (void)bitmap;
}

enum abi_code repair_copied(struct repair *r, struct check *counted)
{
        static const struct check_mend mend = {flag_l1, flag_l2};
        uint64_t mark = arena_mark();
        struct check *check = arena_alloc(sizeof *check);
        if (!check)
                return ABI_TOO_LARGE;
        flags = (struct copied){r, counted};
        enum abi_code code = repair_look(r, &mend, false, check);
        arena_release(mark);
        if (!code && r->copied)
                repair_tell(ABI_REPAIR_COPIED, r->copied, 0, 0);
        return code;
}
