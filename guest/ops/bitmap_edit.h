/* SPDX-License-Identifier: MIT */
/*
 * The edit of one invocation, between the net change of its actions and the
 * requests that carry it out.  The stages run in this order; each can still refuse,
 * the last one only emits:
 *
 *     target_apply_actions   what should be
 *     edit_read_content      the old table; the merge's decisions
 *     edit_choose            which switch covers the net change
 *     edit_prove             which clusters are the bitmap's own
 *     edit_allocate          fresh clusters, growth, the header's edit
 *     edit_emit              the transaction
 */
#ifndef INSTAR_GUEST_OPS_BITMAP_EDIT_H
#define INSTAR_GUEST_OPS_BITMAP_EDIT_H

#include "guest/ops/bitmap_target.h"
#include "guest/ops/merge.h"
#include "guest/ops/release.h"
#include "guest/qcow2/all_dirty.h"
#include "guest/qcow2/extension_edit.h"
#include "guest/qcow2/growth.h"

/* What publishes the net change: the first of these that covers it. */
enum edit_switch {
        EDIT_NOTHING,    /* a net no-op: nothing is written, not even a time stamp */
        EDIT_FLAGS,      /* the flags of the directory entry */
        EDIT_ZERO_TABLE, /* the table's entries, which lie in one sector, become zeros */
        EDIT_TABLE,      /* table offset (and flags) of the directory entry */
        EDIT_DIRECTORY, /* the extension's body: a longer, shorter, other, or no directory
                         */
};

struct edit {
        struct image *image;
        const struct abi_call *call;
        struct target target;

        uint64_t old_entries;      /* of the old table */
        const uint64_t *old_table; /* big-endian; NULL if not read, or unreadable */
        bool content_changes;
        struct merge merge;
        struct all_dirty all_dirty; /* of a reset; zeros: none */
        struct seen_table *seen;    /* of all bitmaps, if all go */
        uint64_t seen_count;

        enum edit_switch how;
        bool entry_in_place;  /* the directory entry may be written in place */
        bool append_in_place; /* the new entry fits the directory's slack */
        bool directory_moves; /* the new directory needs clusters of its own */
        bool slack_in_place;  /* the removed last entry may be zeroed afterwards */
        uint32_t zero_first;  /* EDIT_ZERO_TABLE: byte range of the table */
        uint32_t zero_length;

        struct extent new_table; /* count 0: none */
        uint64_t new_table_entries;
        uint64_t *table_content; /* big-endian, whole sectors; NULL: zeros */
        uint64_t table_content_bytes;

        struct extent new_directory; /* count 0: the directory stays where it is */
        uint8_t *directory_bytes;    /* its content, or the appended entry */
        uint64_t directory_size;     /* new bitmap_directory_size */
        uint32_t bitmaps;

        uint64_t data_extent_count;
        struct extent *data_extents; /* of the merge or the reset */
        uint8_t *data_content; /* of the reset: all_dirty.data_bytes; NULL: no data */

        struct allocator allocator;
        struct growth growth;
        struct release release;
        struct header_edit header_edit;
};

/* Read the old table where the actions need it; decide what changes in the bits. */
enum abi_code edit_read_content(struct edit *edit);

/* Where every bitmap goes: claim all tables and data, and assert what was seen. */
enum abi_code edit_claim_all(struct edit *edit);
void edit_assert_all(const struct edit *edit);

/* Choose the switch, and claim the directory if it may have to move. */
enum abi_code edit_choose(struct edit *edit);

/* Prove the claims; a table that is not proved is not zeroed in place. */
enum abi_code edit_prove(struct edit *edit);

/* True if offset and flags of the entry, if both change, lie in one sector. */
bool edit_entry_in_one_sector(const struct edit *edit);

/* Allocate, prepare the growth and the header's edit, check in-place writes. */
enum abi_code edit_allocate(struct edit *edit);

/* Emit everything but the end of the program. */
enum abi_code edit_emit(struct edit *edit);

/* Into the directory entry of a bitmap that stays: flags, and where the new table is. */
void edit_store_changes(const struct edit *edit, uint8_t *entry);

/* What the extension's body shall say; NULL when no bitmaps are left. */
const struct bitmaps_body *edit_wanted_body(const struct edit *edit,
                                            struct bitmaps_body *body);

/* The list is, or becomes, valid. */
bool edit_publishes(const struct edit *edit);

#endif
