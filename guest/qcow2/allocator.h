/* SPDX-License-Identifier: MIT */
/*
 * Where clusters come from.  The first clusters at or behind the end of the file
 * that have refcount 0 (on a block device: behind the last cluster with a
 * refcount), so that nothing has to be searched in a full image.  A refcount-0
 * cluster inside the file is taken where it is a hole: nothing in it can be lost,
 * and rotation does not grow the file for ever.
 *
 * The allocator only decides.  Refcount blocks that are missing are planned on the way,
 * and a larger refcount table where it is full; growth.h publishes both.
 */
#ifndef INSTAR_GUEST_QCOW2_ALLOCATOR_H
#define INSTAR_GUEST_QCOW2_ALLOCATOR_H

#include "guest/qcow2/image.h"

#define ALLOCATOR_MAX_HOLES 64u

struct allocator {
        struct image *image;
        uint64_t next;  /* the next cluster at the end */
        uint64_t limit; /* clusters there can be at all */
        bool looked_for_holes;
        uint32_t hole_count;
        struct extent holes[ALLOCATOR_MAX_HOLES]; /* free runs inside the file */

        uint64_t planned_blocks; /* how many blocks image->refcounts.planned has */
        uint64_t growth_end;     /* cluster behind the last one that the growth takes */
        bool table_full;         /* a planned block has no room in the table */
        struct extent new_table; /* count 0: the old one stays */

        uint64_t taken_count; /* block device: runs taken at the end (scrub.h) */
        struct extent *taken;
        uint64_t scrub_count; /* of them, clusters that hold old data */
        uint64_t *scrub;
};

/* Queue what finding the end needs, so that it comes along with other reads. */
enum abi_code allocator_prefetch(struct image *image);

/* Start; `total` clusters will be asked for at the most.  Finds the end. */
enum abi_code allocator_begin(struct image *image, uint64_t total,
                              struct allocator *allocator);

/* A contiguous run.  ABI_OK, ABI_NO_SPACE, ABI_BAD_REFCOUNTS (a cluster behind the
 * end has a refcount: the file was cut, or is damaged), ABI_TOO_LARGE. */
enum abi_code allocate_run(struct allocator *allocator, uint64_t count,
                           struct extent *extent);

/* Up to `count` clusters in one piece, at least one: for data clusters. */
enum abi_code allocate_some(struct allocator *allocator, uint64_t count,
                            struct extent *extent);

/* After the last allocation: place the larger refcount table if one is needed. */
enum abi_code allocator_finish(struct allocator *allocator);

#endif
