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
 * nothing a reader sees); each later phase starts after the one before is durable.  Exactly
 * one write has is_switch: the commit point.  Later phases are clean-up.
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
 * left).  Unknown autoclear bits have been, or will be, cleared in a step of
 * their own before phase 0: `header->autoclear` holds only known bits.
 *
 * Returns ABI_OK; ABI_NO_SPACE if the header cluster has no room;
 * ABI_TOO_LARGE if the arena is exhausted.
 */
enum abi_code extension_edit(const struct header *header, const struct header_bytes *bytes,
                             const struct bitmaps_body *wanted, struct header_edit *edit);

#endif
