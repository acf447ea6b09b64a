/* SPDX-License-Identifier: MIT */
/*
 * Which switch covers the net change.  In order of cost: the flags of a directory
 * entry, a table whose entries lie in one sector, the entry's table offset (and flags), a
 * new directory and the extension's body.
 */
#include <string.h>

#include "guest/ops/bitmap_edit.h"
#include "guest/qcow2/table.h"
#include "guest/rt/checked.h"

/* Of an entry that is dropped, what is zeroed at the most: with extra data it may be
 * longer than one change can be. */
#define MAX_SLACK (64u << 10)

static uint64_t entry_offset(const struct edit *edit)
{
        return edit->image->directory.offset + edit->target.old.position;
}

static bool in_one_sector(uint64_t offset, uint64_t length)
{
        return offset / ABI_SECTOR == (offset + length - 1) / ABI_SECTOR;
}

static bool flags_change(const struct edit *edit)
{
        return edit->target.flags != edit->target.old.flags;
}

bool edit_entry_in_one_sector(const struct edit *edit)
{
        uint64_t length = flags_change(edit) ? QCOW2_ENTRY_FLAGS + 4 : 8;
        return in_one_sector(entry_offset(edit), length);
}

bool edit_publishes(const struct edit *edit)
{
        return !header_is_stale(&edit->image->header) ||
               (edit->target.exists && edit->target.recreated);
}

static bool is_last_entry(const struct edit *edit)
{
        const struct directory_entry *old = &edit->target.old;
        return old->position + old->length == edit->image->directory.size;
}

/* Removing an empty bitmap and adding the same one again changes nothing. */
static bool recreation_changes_nothing(const struct edit *edit)
{
        const struct target *t = &edit->target;
        return is_last_entry(edit) && !bitmap_is_unusable(edit->image, &t->old) &&
               !t->old.extra_length && edit->old_table && !edit->zero_length &&
               t->flags == t->old.flags && t->granularity_bits == t->old.granularity_bits;
}

static bool is_no_op(const struct edit *edit)
{
        const struct target *t = &edit->target;
        if (t->all_go)
                return !edit->image->directory.count;
        if (!t->existed || !t->exists)
                return t->existed == t->exists;
        if (t->recreated)
                return recreation_changes_nothing(edit);
        return !edit->content_changes && !flags_change(edit);
}

/* ---- the directory ---------------------------------------------------------- */

/* The slack behind the last entry takes a new one if it is zero and ours. */
static enum abi_code check_append(struct edit *edit, uint32_t length)
{
        const struct directory *d = &edit->image->directory;
        edit->append_in_place = false;
        if (!d->bytes || !range_inside(d->size, length, d->capacity))
                return ABI_OK;
        for (uint32_t i = 0; i < length; i++)
                if (d->bytes[d->size + i])
                        return ABI_OK;
        return image_in_place(edit->image, d->offset + d->size, length,
                              &edit->append_in_place);
}

/* Dropping the last entry is a shorter directory, as long as no cluster falls away. */
static bool shrinks_in_place(const struct edit *edit)
{
        const struct directory *d = &edit->image->directory;
        uint64_t cluster_size = edit->image->header.cluster_size;
        return is_last_entry(edit) &&
               divide_up(d->size - edit->target.old.length, cluster_size) *
                       cluster_size ==
                   d->capacity;
}

static enum abi_code choose_directory(struct edit *edit)
{
        const struct target *t = &edit->target;
        const struct directory *d = &edit->image->directory;
        enum abi_code code = ABI_OK;
        edit->how = EDIT_DIRECTORY;
        edit->directory_size = d->size - (t->existed ? t->old.length : 0);
        if (t->exists && t->recreated)
                edit->directory_size += directory_entry_length(t->name.length);
        else if (t->exists)
                edit->directory_size = d->size;
        if (!t->bitmaps)
                return ABI_OK; /* no directory is left */
        if (!t->existed)
                code = check_append(edit, directory_entry_length(t->name.length));
        if (!t->existed)
                edit->directory_moves = !edit->append_in_place;
        else
                edit->directory_moves = t->exists || !shrinks_in_place(edit);
        if (!edit->directory_moves && t->existed && t->old.length <= MAX_SLACK)
                code = image_in_place(edit->image, entry_offset(edit), t->old.length,
                                      &edit->slack_in_place);
        return code;
}

/* ---- the choice --------------------------------------------------------------- */

static enum abi_code choose_for_existing(struct edit *edit)
{
        const struct target *t = &edit->target;
        enum abi_code code = image_in_place(edit->image, entry_offset(edit),
                                            QCOW2_ENTRY_FIXED, &edit->entry_in_place);
        if (code)
                return code;
        if (!edit->content_changes && edit->entry_in_place) {
                edit->how = EDIT_FLAGS;
                return ABI_OK;
        }
        bool one_sector =
            edit->old_table && edit->zero_length &&
            in_one_sector(t->old.table_offset + edit->zero_first, edit->zero_length);
        if (t->cleared && !flags_change(edit) && one_sector)
                edit->how = EDIT_ZERO_TABLE; /* if edit_prove() agrees */
        else if (edit->content_changes && edit->entry_in_place &&
                 edit_entry_in_one_sector(edit))
                edit->how = EDIT_TABLE;
        else
                code = choose_directory(edit);
        return code;
}

static enum abi_code claim_directory(struct edit *edit)
{
        bool goes = edit->how == EDIT_DIRECTORY &&
                    (edit->directory_moves || !edit->target.bitmaps);
        bool may_go = edit->how == EDIT_ZERO_TABLE && !edit->entry_in_place;
        if (!edit->image->directory.bytes || !(goes || may_go))
                return ABI_OK;
        return release_claim_directory(&edit->release);
}

enum abi_code edit_choose(struct edit *edit)
{
        const struct target *t = &edit->target;
        enum abi_code code;
        edit->how = EDIT_NOTHING;
        if (is_no_op(edit))
                return ABI_OK;
        if (t->existed && t->exists && !t->recreated)
                code = choose_for_existing(edit);
        else
                code = choose_directory(edit);
        return code ? code : claim_directory(edit);
}

/* ---- the proof ------------------------------------------------------------------ */

/* The table may be zeroed in place only where it is proved to be ours. */
static enum abi_code confirm_zero_table(struct edit *edit)
{
        uint64_t offset = edit->target.old.table_offset + edit->zero_first;
        bool holds;
        bool in_place = false;
        enum abi_code code = release_holds(
            &edit->release, offset >> edit->image->header.cluster_bits, &holds);
        if (!code && holds)
                code = image_in_place(edit->image, offset, edit->zero_length, &in_place);
        if (code || in_place)
                return code;
        if (!edit->entry_in_place)
                return choose_directory(edit);
        edit->how = EDIT_TABLE; /* only the offset changes: always in one sector */
        return ABI_OK;
}

enum abi_code edit_prove(struct edit *edit)
{
        const struct target *t = &edit->target;
        const struct directory *d = &edit->image->directory;
        uint32_t bits = edit->image->header.cluster_bits;
        struct extent kept[2];
        uint64_t kept_count = 0;
        /* A stale list may name clusters that were freed and given away since. */
        bool scan = !(edit->call->flags & ABI_CALL_NO_OWNERSHIP_SCAN) ||
                    header_is_stale(&edit->image->header);
        uint64_t own = t->existed ? t->old.position : RELEASE_NO_BITMAP;
        enum abi_code code =
            release_prove(&edit->release, t->all_go ? RELEASE_ALL_BITMAPS : own, scan);
        if (!code && edit->how == EDIT_ZERO_TABLE)
                code = confirm_zero_table(edit);
        if (code)
                return code;
        if (edit->how == EDIT_ZERO_TABLE)
                kept[kept_count++] = (struct extent){
                    t->old.table_offset >> bits,
                    table_clusters(&edit->image->header, edit->old_entries)};
        if (d->bytes && edit->how != EDIT_DIRECTORY)
                kept[kept_count++] =
                    (struct extent){d->offset >> bits, d->capacity >> bits};
        return release_settle(&edit->release, kept, kept_count);
}
