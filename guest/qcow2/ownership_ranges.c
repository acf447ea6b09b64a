/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "guest/qcow2/ownership_ranges.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"

bool range_list_init(struct range_list *list, uint64_t capacity)
{
        uint64_t bytes;
        list->count = 0;
        list->capacity = capacity;
        list->ranges = NULL;
        if (checked_mul(capacity, sizeof *list->ranges, &bytes))
                list->ranges = arena_alloc(bytes);
        return list->ranges != NULL;
}

bool range_list_grow(struct range_list *list)
{
        struct range_list larger;
        if (list->capacity > UINT64_MAX / 2 ||
            !range_list_init(&larger, list->capacity * 2))
                return false;
        memcpy(larger.ranges, list->ranges, list->count * sizeof *list->ranges);
        larger.count = list->count;
        *list = larger;
        return true;
}

bool range_list_append(struct range_list *list, uint64_t first, uint64_t count)
{
        if (list->count) {
                struct cluster_range *last = &list->ranges[list->count - 1];
                if (last->first + last->count == first) {
                        last->count += count;
                        return true;
                }
        }
        if (list->count == list->capacity)
                return false;
        list->ranges[list->count++] = (struct cluster_range){first, count};
        return true;
}

static bool is_sorted(const struct range_list *list)
{
        for (uint64_t i = 1; i < list->count; i++)
                if (list->ranges[i - 1].first > list->ranges[i].first)
                        return false;
        return true;
}

/* Let the range at `root` sink to its place in the heap of the first `count`. */
static void sift_down(struct cluster_range *heap, uint64_t root, uint64_t count)
{
        struct cluster_range sinking = heap[root];
        for (;;) {
                uint64_t child = 2 * root + 1;
                if (child >= count)
                        break;
                if (child + 1 < count && heap[child].first < heap[child + 1].first)
                        child++;
                if (heap[child].first <= sinking.first)
                        break;
                heap[root] = heap[child];
                root = child;
        }
        heap[root] = sinking;
}

/* Heapsort: no second buffer, and no order of a crafted image makes it quadratic.
 * Tables that were allocated in order come sorted. */
void range_list_sort(struct range_list *list)
{
        struct cluster_range *ranges = list->ranges;
        if (is_sorted(list))
                return;
        for (uint64_t root = list->count / 2; root-- > 0;)
                sift_down(ranges, root, list->count);
        for (uint64_t end = list->count - 1; end > 0; end--) {
                struct cluster_range largest = ranges[0];
                ranges[0] = ranges[end];
                ranges[end] = largest;
                sift_down(ranges, 0, end);
        }
}

void range_list_unite(struct range_list *list)
{
        uint64_t kept = 0;
        range_list_sort(list);
        for (uint64_t i = 0; i < list->count; i++) {
                struct cluster_range next = list->ranges[i];
                struct cluster_range *last = kept ? &list->ranges[kept - 1] : NULL;
                if (last && next.first <= last->first + last->count) {
                        uint64_t end = next.first + next.count;
                        if (end > last->first + last->count)
                                last->count = end - last->first;
                } else {
                        list->ranges[kept++] = next;
                }
        }
        list->count = kept;
}
