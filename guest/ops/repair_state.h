/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the repair share.  The stages run in this order:
 *
 *     repair_header       fixed header, extensions' lengths
 *     repair_bitmaps      the list of bitmaps, and each of them
 *     repair_snapshots    the snapshot table
 *     repair_entries      L1 and L2 tables
 *     repair_shared       bitmaps whose clusters are not their own
 *     repair_refcounts    in place, or a new structure
 *     repair_copied       COPIED flags
 *     repair_emit         the transaction
 */
#ifndef INSTAR_GUEST_OPS_REPAIR_STATE_H
#define INSTAR_GUEST_OPS_REPAIR_STATE_H

#include "guest/abi_repair.h"
#include "guest/ops/check_state.h"
#include "guest/qcow2/overlay.h"

/* The header cluster: as it was, and as it is going to be. */
struct repair_header_bytes {
        uint8_t *old;
        uint8_t *now;
        uint8_t *seen; /* what the overlay has */
        uint32_t length;
};

struct repair {
        const struct abi_call *call;
        bool all;           /* not only leaks */
        bool reset_damaged; /* bitmaps become all dirty instead of being removed */
        struct overlay overlay;
        struct repair_header_bytes header;
        struct header h;       /* the header as it is going to be, parsed */
        uint64_t next_cluster; /* where new clusters go: nothing is there */
        bool unopenable;       /* QEMU does not open the image as it is */
        bool named_beyond;     /* the damage named clusters behind the end of the file */
        bool drops_late; /* the switch takes references away: what they count waits */
        bool was_valid;  /* on disk QEMU reads the list of bitmaps */
        uint32_t late_record;    /* a bitmaps record that is dropped; 0: none */
        bool walks_on;           /* look where QEMU would give up, too */
        bool device_full;        /* new clusters would lie behind its end */
        bool rebuild;            /* the refcount structures cannot be trusted */
        uint32_t refcount_order; /* of the new ones */
        uint8_t *roles;          /* of each cluster of the file (enum check_role) */
        uint64_t role_clusters;
        uint64_t zero_cluster; /* version 2: its offset, and how often it is used */
        uint32_t zero_uses;

        /* the mending of entries */
        uint32_t round;
        bool changed;
        uint64_t entries;
        uint64_t copied;
        uint64_t lost_clusters;
        uint64_t lost_first;
};

/* Tell the host what is going to be done.  `name` may be NULL. */
void repair_tell(enum abi_repair_kind kind, uint64_t first, uint64_t second,
                 uint64_t third);
void repair_tell_bitmap(enum abi_repair_kind kind, uint64_t first, uint64_t second,
                        const uint8_t *name, uint32_t length);

/* Look at the image as the plan leaves it; *check stays in the arena.  `mend` and
 * `roles` as in struct check.  ABI_OK, or why it cannot be looked at. */
enum abi_code repair_look(struct repair *repair, const struct check_mend *mend,
                          bool roles, struct check *check);

/* A new extent of whole clusters of zeros: its offset; 0: too large. */
uint64_t repair_allocate(struct repair *repair, uint64_t clusters, uint8_t **bytes);

/* Something refers to the extent that was allocated last before the switch. */
void repair_refer_early(struct repair *repair);

/* Where what begins at `offset` has to end: with the plan's extent, or with the file as
 * it is, in whole clusters.  What the file gains is not there for what was damaged
 * before. */
uint64_t repair_end_at(const struct repair *repair, uint64_t offset);

/* The extent of the plan that begins at `offset`, or NULL. */
uint8_t *repair_extent_at(const struct repair *repair, uint64_t offset, uint64_t *length);

/* Read what the plan has there. */
void repair_read(uint64_t offset, void *bytes, uint64_t length);

/* Entry `i` of a table of that many at `offset`, as the plan has it.  They are asked for
 * in order, from 0 on, and read many at a time. */
uint64_t repair_entry(uint64_t offset, uint64_t entries, uint64_t i);

/* Fill in what the header says of bitmaps, as it says it. */
void repair_find_bitmaps(struct repair *repair);

/* True if a chain of known extensions, with all that the header demands, begins at
 * h.header_length. */
bool repair_is_chain(const struct repair *repair);

/* Take the bitmaps record out of header.now, and clear the autoclear bit. */
void repair_drop_bitmaps(struct repair *repair);

/* Carry header.now over into the plan, and parse it.  ABI_OK, or why it cannot be. */
enum abi_code repair_header_done(struct repair *repair);

enum abi_code repair_header(struct repair *repair);
enum abi_code repair_extensions(struct repair *repair);
enum abi_code repair_bitmaps(struct repair *repair);
enum abi_code repair_snapshots(struct repair *repair);

/* What refers to each cluster, but for entries that are going to be changed. */
enum abi_code repair_roles(struct repair *repair, struct check *check);

/* True if the cluster at `offset` is what `role` says and nothing else, so that a change
 * harms nobody else. */
bool repair_is_only(const struct repair *repair, uint64_t offset, enum check_role role);

/* L1 tables that are something else, too, go on as copies. */
enum abi_code repair_l1(struct repair *repair);

enum abi_code repair_entries(struct repair *repair);
/* Bitmaps that share a cluster with anything, as `check` has counted: they become
 * others, and *changed is set. */
enum abi_code repair_shared(struct repair *repair, const struct check *check,
                            bool *changed);
enum abi_code repair_refcounts(struct repair *repair, struct check *check);
enum abi_code repair_leaks(struct repair *repair, struct check *check);
enum abi_code repair_copied(struct repair *repair, struct check *counted);
enum abi_code repair_emit(struct repair *repair);

#endif
