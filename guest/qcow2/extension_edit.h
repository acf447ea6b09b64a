/* SPDX-License-Identifier: MIT */
/*
 * How the bitmaps record of the header extension area is published, changed and
 * dropped without any state in between that a program without our journal would
 * misread (invariant 4).  A pure function over the header cluster's bytes: it
 * yields an ordered list of small writes; doing them is the planner's business.
 */
#ifndef INSTAR_GUEST_QCOW2_EXTENSION_EDIT_H
#define INSTAR_GUEST_QCOW2_EXTENSION_EDIT_H

#include "guest/qcow2/header.h"

/* What the 24-byte body of the bitmaps extension says. */
struct bitmaps_body {
        uint32_t count;
        uint64_t directory_size;
        uint64_t directory_offset;
};

/*
 * One write into the header cluster.  `phase` orders them: all writes of phase 0
 * belong to the build (invisible; any subset of them, torn at 512 bytes, changes
 * nothing a reader sees); each later phase starts after the one before is durable,
 * phase 1 after the whole build.  Phases from 1 on have no gaps.  Exactly one
 * write has is_switch: the commit point; it is alone in its phase and lies in one
 * sector.  Later phases are clean-up: every state from the switch on says the same
 * to readers of the bitmaps, but before the last bitmap's clusters are released
 * they should be done, or the stale record that is left names clusters of others.
 *
 * The bytes of a write are cut to the first and the last byte that changes.
 */
struct header_write {
        uint32_t phase;
        bool is_switch;
        uint32_t offset;
        uint32_t length;
        const uint8_t *bytes; /* in the arena */
};

#define HEADER_EDIT_MAX_WRITES 16u

struct header_edit {
        uint32_t count;
        struct header_write writes[HEADER_EDIT_MAX_WRITES];
};

/*
 * How many bytes of the header cluster extension_edit() may look at or write for
 * this header: the caller must have read that many (never more than a cluster).
 */
uint32_t extension_edit_reach(const struct header *header);

/*
 * Plan the change from what `header` says to `wanted` (NULL: no bitmaps are
 * left; the record is dropped, or emptied where it cannot be).  `publish`: the list
 * is consistent, the autoclear bit is to be set.  Without it the bit is left as
 * it is: that is how a stale list changes and stays stale.
 *
 * Unknown autoclear bits have been, or will be, cleared in a step of their own
 * before phase 0: `header->autoclear` holds only known bits, and those are what
 * is written.  All other bytes are taken from `bytes`.
 *
 * Returns ABI_OK (with no writes if the header says just that already);
 * ABI_NO_SPACE if the header cluster has no room, never where `wanted` is NULL;
 * ABI_TOO_LARGE if the arena is exhausted; ABI_OVERFLOW if `bytes` are fewer than
 * extension_edit_reach(); ABI_BAD_EXTENSION if the records do not end where
 * `header` says; ABI_NO_AUTOCLEAR_EXTENSION if the bit is set and there is no
 * record (wanted == NULL clears the bit); ABI_BAD_ACTION if a list is wanted where
 * there is none, but not to be published.
 */
enum abi_code extension_edit(const struct header *header,
                             const struct header_bytes *bytes,
                             const struct bitmaps_body *wanted, bool publish,
                             struct header_edit *edit);

#endif
