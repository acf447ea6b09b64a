/* SPDX-License-Identifier: MIT */
/*
 * Lists of cluster ranges in the arena.  Allocations come in long runs, so a list
 * of runs is small where a list of clusters, or a bit per cluster of the file,
 * would not be.
 */
#ifndef INSTAR_GUEST_QCOW2_OWNERSHIP_RANGES_H
#define INSTAR_GUEST_QCOW2_OWNERSHIP_RANGES_H

#include <stdbool.h>
#include <stdint.h>

/* Clusters [first, first + count), as indexes into the file. */
struct cluster_range {
        uint64_t first;
        uint64_t count;
};

struct range_list {
        struct cluster_range *ranges;
        uint64_t count;
        uint64_t capacity; /* in ranges */
};

/* An empty list with room for `capacity` ranges; false if the arena is exhausted. */
bool range_list_init(struct range_list *list, uint64_t capacity);

/* Twice the room, the old content kept; false if the arena is exhausted. */
bool range_list_grow(struct range_list *list);

/* Append a range; it only lengthens the last one where it follows directly.
 * first + count must not overflow.  False if the list is full. */
bool range_list_append(struct range_list *list, uint64_t first, uint64_t count);

/* Ascending by `first`. */
void range_list_sort(struct range_list *list);

/* Sort, and join ranges that overlap or touch. */
void range_list_unite(struct range_list *list);

#endif
