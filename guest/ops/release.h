/* SPDX-License-Identifier: MIT */
/*
 * What an edit gives back after its switch: refcounts lowered, clusters punched,
 * the tail of the file cut off.  Only clusters whose ownership is proved; the
 * others are left leaked, and counted.
 */
#ifndef INSTAR_GUEST_OPS_RELEASE_H
#define INSTAR_GUEST_OPS_RELEASE_H

#include "guest/qcow2/image.h"
#include "guest/qcow2/ownership.h"

struct release {
        struct image *image;
        struct range_list claims; /* what the edit may stop using */
        bool directory_goes;      /* the directory is one of them */
        uint64_t keep_count;
        struct extent *keeps; /* what the bitmap goes on using */
        uint64_t free_count;  /* runs of free clusters near the end of the file: with */
        struct extent *free;  /*   what is freed they may be cut off, if proved, too */
        struct ownership *ownership; /* NULL: nothing was claimed */

        const struct planned_mapping *planned; /* see ownership_plan(); or NULL */
        /* Clusters that are claimed once, but referred to by what goes more than once:
         * compressed data.  Sorted; `count` is the number of references. */
        struct range_list shared;

        uint64_t freed_count;
        struct extent *freed; /* of the claims, what is proved */
        uint64_t lowered_count;
        struct lowered *lowered; /* of `shared`, what others go on using */
        uint64_t leaked;         /* clusters */
};

/* A cluster that is used by fewer than before. */
struct lowered {
        uint64_t cluster;
        uint16_t refcount;
};

/* Start, with room for `claims` runs that are claimed (more take the arena), and for at
 * most `keeps` that are kept. */
enum abi_code release_begin(struct image *image, uint64_t claims, uint64_t keeps,
                            struct release *release);

/* Claim a run of clusters; neighbours are joined.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code release_claim(struct release *release, uint64_t first, uint64_t count);

/* Claim the bitmap directory's clusters.  Without this they are somebody else's, also
 * where the bitmap's table or data names them. */
enum abi_code release_claim_directory(struct release *release);

/* Clusters that the bitmap keeps: a claim on one of them does not hold. */
void release_keep(struct release *release, uint64_t first, uint64_t count);

/* For release_prove(): instead of a position in the directory. */
#define RELEASE_NO_BITMAP   UINT64_MAX
#define RELEASE_ALL_BITMAPS (UINT64_MAX - 1)

/*
 * Prove the claims against everything else in the image: other bitmaps (all but
 * the entry at `own_position` in the directory), and the L2 tables with `scan_l2`.
 */
enum abi_code release_prove(struct release *release, uint64_t own_position, bool scan_l2);

/* True if the cluster is proved and its refcount is 1, or else what `shared` says. */
enum abi_code release_holds(struct release *release, uint64_t cluster, bool *holds);

/* Sort the claims into freed and leaked, but for those inside `kept`, which stay in
 * use after all. */
enum abi_code release_settle(struct release *release, const struct extent *kept,
                             uint64_t kept_count);

/* Emit: `step` lowers the refcounts, `step` + 1 punches and cuts.  `file_size` is
 * the size after the edit. */
enum abi_code release_emit(struct release *release, uint32_t step, uint64_t file_size);

#endif
