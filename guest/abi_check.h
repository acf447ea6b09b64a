/* SPDX-License-Identifier: MIT */
/*
 * What the checker tells the host, beside what guest/abi_report.h has: findings, as
 * numbers that the host puts into words, and the sums at the end.
 *
 *     check   IMAGE, {FINDINGS, SNAPSHOT_FINDING, DAMAGE, PROGRESS}..., CHECK
 *
 * Findings are what QEMU's own check finds; DAMAGE is what is wrong with bitmaps
 * beyond that, and what keeps QEMU from opening the image at all.
 */
#ifndef INSTAR_GUEST_ABI_CHECK_H
#define INSTAR_GUEST_ABI_CHECK_H

#include <stdint.h>

/* One of QEMU's messages each, with its numbers in detail[].  Those up to
 * ABI_FINDING_LAST_CORRUPTION are corruptions. */
enum abi_finding_kind {
        ABI_FINDING_BEYOND_END = 1,         /* offset, size of a referenced region */
        ABI_FINDING_OVERFLOW,               /* offset of a cluster */
        ABI_FINDING_L1_RESERVED,            /* L1 entry */
        ABI_FINDING_L2_UNALIGNED,           /* offset of an L2 table */
        ABI_FINDING_L2_RESERVED,            /* L2 entry */
        ABI_FINDING_COMPRESSED_COPIED,      /* offset of the data */
        ABI_FINDING_COMPRESSED_DATA_FILE,   /* index in the L2 table, L2 entry */
        ABI_FINDING_COMPRESSED_SUBCLUSTERS, /* index in the L2 table, L2 entry */
        ABI_FINDING_SUBCLUSTER_BITMAP,      /* offset of the data */
        ABI_FINDING_PREALLOCATED_UNALIGNED, /* offset */
        ABI_FINDING_DATA_UNALIGNED,         /* offset */
        ABI_FINDING_UNALLOCATED_SUBCLUSTERS,
        ABI_FINDING_REFTABLE_RESERVED,     /* index in the refcount table */
        ABI_FINDING_REFBLOCK_UNALIGNED,    /* index in the refcount table */
        ABI_FINDING_REFBLOCK_OUTSIDE,      /* index in the refcount table */
        ABI_FINDING_REFBLOCK_REFCOUNT,     /* index in the refcount table, references */
        ABI_FINDING_SNAPSHOTS_DATA_FILE,   /* number of snapshots */
        ABI_FINDING_SNAPSHOT_INCOMPLETE,   /* index in the snapshot table */
        ABI_FINDING_SNAPSHOT_L1_UNALIGNED, /* offset of the L1 table; with its strings */
        ABI_FINDING_SNAPSHOT_L1_TOO_LARGE, /* its entries; with its strings */
        ABI_FINDING_COPIED_L2,             /* index in the L1 table, L1 entry, refcount */
        ABI_FINDING_COPIED_DATA,           /* L2 entry, refcount */
        ABI_FINDING_REFCOUNT_TOO_LOW,      /* cluster, refcount, references */
        ABI_FINDING_LAST_CORRUPTION = ABI_FINDING_REFCOUNT_TOO_LOW,
        ABI_FINDING_LEAK,                /* cluster, refcount, references */
        ABI_FINDING_REFCOUNT_UNREADABLE, /* cluster: an internal error to QEMU */
        ABI_FINDING_COUNT
};

struct abi_finding {
        uint32_t kind;
        uint32_t reserved;
        uint64_t detail[3];
};

/* ABI_REPORT_SNAPSHOT_FINDING: followed by the snapshot's id and name. */
struct abi_report_snapshot_finding {
        struct abi_finding finding;
        uint32_t id_length;
        uint32_t name_length;
};

/* ABI_REPORT_PROGRESS: so much of all that has to be read. */
struct abi_report_progress {
        uint64_t done;
        uint64_t total; /* 0 < done <= total */
};

/* ABI_REPORT_CHECK: the sums, as QEMU counts. */
struct abi_report_check {
        uint64_t corruptions;
        uint64_t leaks;
        uint64_t check_errors;
        uint64_t image_end;      /* bytes */
        uint64_t total_clusters; /* of the virtual disk */
        uint64_t allocated_clusters;
        uint64_t fragmented_clusters;
        uint64_t compressed_clusters;
        uint64_t bitmap_faults; /* DAMAGE reports of bitmaps */
        uint32_t passes;
        uint32_t incomplete; /* 1: the check came to no end, as QEMU's would not */
};

/* Where abi_report_damage.code is ABI_BAD_BITMAP: detail[2]. */
enum abi_bitmap_fault {
        ABI_BITMAP_IN_USE = 1, /* detail[0]: its directory entry */
        ABI_BITMAP_TAIL_BITS,  /* detail[0]: the last data cluster */
        ABI_BITMAP_OVERLAP,    /* detail[0]: a cluster that is referenced twice */
        ABI_BITMAP_BEYOND_END, /* detail[0]: table, detail[1]: entry */
};

#endif
