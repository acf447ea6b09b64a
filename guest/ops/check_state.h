/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the checker share.
 *
 * References are counted for a range of clusters at a time, as many as memory holds: one
 * pass for all but huge images or a small limit.  Every pass walks through all metadata;
 * what does not belong to a cluster is told by the first pass only, what does by the
 * pass that has the cluster.
 */
#ifndef INSTAR_GUEST_OPS_CHECK_STATE_H
#define INSTAR_GUEST_OPS_CHECK_STATE_H

#include "guest/abi_check.h"
#include "guest/qcow2/image.h"

/* Of the walks: L1 entries and bytes of L2 tables (or one table, if that is larger) that
 * are read at a time; and what they take, with a snapshot table's window. */
#define CHECK_L1_WINDOW   8192u
#define CHECK_BATCH_BYTES (512ull << 10)
#define CHECK_WALK_MEMORY (CHECK_L1_WINDOW * 8ull + (160ull << 10))

struct check;

/* What refers to a cluster: bits. */
enum check_role {
        CHECK_ROLE_L1 = 1,
        CHECK_ROLE_L2 = 2,
        CHECK_ROLE_DATA = 4,
        CHECK_ROLE_BITMAP = 8,
        CHECK_ROLE_OTHER = 16,
        CHECK_ROLE_BLOCK = 32, /* of refcounts */
};

/* Where an entry is: in the file; and, for the disk's own tables, on the disk. */
struct check_place {
        uint64_t offset;
        uint64_t disk_offset;
        bool active; /* of the disk's tables, not of a snapshot's */
};

/* What a repair does with entries before they are looked at. */
struct check_mend {
        uint64_t (*l1)(struct check *check, const struct check_place *place,
                       uint64_t entry);
        void (*l2)(struct check *check, const struct check_place *place, uint64_t *entry,
                   uint64_t *bitmap);
};

struct check {
        const struct abi_call *call;
        uint64_t file_size;            /* bytes */
        bool silent;                   /* only the sums are wanted */
        bool walks_on;                 /* where QEMU would give up, too */
        bool count_on;                 /* beyond what a refcount of the width can be */
        const struct check_mend *mend; /* NULL: nothing is mended */
        enum abi_code mend_code;       /* what kept it from being mended */
        uint8_t *roles;                /* of clusters; NULL: not wanted */
        uint64_t role_clusters;        /* of so many */
        uint64_t wrong_flags;          /* COPIED, among the corruptions */
        uint8_t role;                  /* of what is referred to next */
        struct image image;
        struct abi_report_check sums;

        uint64_t file_length; /* in whole sectors, as QEMU counts */
        uint64_t named_end;   /* clusters up to here are named behind the file's end */
        uint64_t clusters;    /* of the file, and what is referenced just behind */
        uint64_t reach;       /* and what may be: clusters that the passes go through */
        uint64_t *refcount_table;  /* as on disk */
        uint64_t refcount_entries; /* of it */
        uint64_t refcount_max;
        uint32_t block_bits; /* log2 of the clusters that one refcount block counts */
        bool wide;           /* more than 65535 references can be counted */
        bool extended_l2;
        bool data_file;

        /* the pass: clusters [first, end) */
        uint64_t capacity; /* clusters of a pass: a multiple of a block's */
        uint64_t first;
        uint64_t end;
        bool first_pass;
        bool last_pass;
        uint16_t *references; /* or uint32_t, if wide */
        uint8_t *blocks;      /* refcount blocks of the range, as on disk */
        uint8_t *unreadable;  /* a byte a block of the range: it cannot be read */
        uint64_t highest;     /* cluster that is used */

        /* a refcount block outside of the range */
        uint8_t *stray_block;
        uint64_t stray_index; /* in the refcount table; UINT64_MAX: none is there */

        bool beyond_told;      /* of the bitmap that is being looked at */
        uint8_t *overlap_told; /* of the bitmap whose entry is at 8 times the index */

        struct abi_finding *findings; /* that wait to be reported */
        uint32_t finding_count;

        uint64_t l2_done;
        uint64_t l2_total;
};

/* Everything but the report of the sums. */
enum abi_code check_whole(struct check *check);

/* Report a finding and add it to the sums. */
void check_find(struct check *check, enum abi_finding_kind kind, uint64_t first,
                uint64_t second, uint64_t third);

/* The same for what a pass must not tell again. */
void check_find_once(struct check *check, enum abi_finding_kind kind, uint64_t first,
                     uint64_t second);

/* Send what waits, in order with what the caller reports next. */
void check_send_findings(struct check *check);

/* Report what is wrong with a bitmap, once: `code` as fail() has left it. */
void check_report_damage(struct check *check, enum abi_code code,
                         const struct directory_entry *entry);

/* ---- check_header.c ---- */

/* Read the header cluster, and report the image and what is wrong with its header.  True
 * if QEMU opens such an image for a check.  *code: ABI_OK, or why nothing can be told. */
bool check_header(struct check *check, enum abi_code *code);

/* ---- check_refcounts.c ---- */

/* Read the refcount table, decide about passes, allocate.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code check_refcounts_begin(struct check *check);

/* Start a pass at check->first: forget all references, read the refcount blocks. */
void check_refcounts_load(struct check *check);

/* Something refers to [offset, +length). */
void check_refer(struct check *check, uint64_t offset, uint64_t length);

/* The same for something that is not other metadata. */
static inline void check_refer_as(struct check *check, enum check_role role,
                                  uint64_t offset, uint64_t length)
{
        check->role = (uint8_t)role;
        check_refer(check, offset, length);
        check->role = CHECK_ROLE_OTHER;
}

/* References to a cluster of the range so far. */
uint64_t check_references(const struct check *check, uint64_t cluster);

/* The refcount of any cluster, as on disk; false where it cannot be read. */
bool check_refcount(struct check *check, uint64_t cluster, uint64_t *refcount);

/* The eight bytes on disk that hold it, and that of its neighbours in the same word. */
bool check_refcount_word(struct check *check, uint64_t cluster, uint8_t word[8]);

/* Does the pass have this cluster?  The last one has all that lie behind, too. */
static inline bool check_is_here(const struct check *check, uint64_t cluster)
{
        return cluster >= check->first && (cluster < check->end || check->last_pass);
}

/* The refcount blocks refer to themselves; then compare. */
void check_refcount_blocks(struct check *check);
void check_compare(struct check *check);

/* ---- check_tables.c ---- */

/* An L1 table, its L2 tables and what they refer to; `active`: the disk's, not a
 * snapshot's.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code check_l1(struct check *check, uint64_t offset, uint64_t entries,
                       bool active);

/* ---- check_snapshots.c ---- */

/* Count the L2 tables to come.  False where QEMU's check gives up: then it is reported
 * why. */
bool check_snapshots_look(struct check *check);
enum abi_code check_snapshots(struct check *check);

/* ---- check_bitmaps.c ---- */

/* True if QEMU opens an image with such bitmaps; if not, what is wrong is reported.
 * Reports what else is wrong with entries and tables.  *code: ABI_OK or ABI_TOO_LARGE. */
bool check_bitmaps_look(struct check *check, enum abi_code *code);

/* Refer to directory, tables and data.  False where QEMU's check gives up. */
bool check_bitmaps(struct check *check);

/* Once all references are counted: which bitmap shares a cluster with anything? */
void check_bitmaps_overlap(struct check *check);

#endif
