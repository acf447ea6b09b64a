/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/ownership_claims.h"
#include "guest/rt/arena.h"

/* How many different clusters a sorted list names; at most the file's clusters. */
static uint64_t count_distinct(const struct range_list *list)
{
        uint64_t end = 0, distinct = 0;
        for (uint64_t i = 0; i < list->count; i++) {
                uint64_t first = list->ranges[i].first;
                uint64_t next_end = first + list->ranges[i].count;
                if (next_end <= end)
                        continue;
                distinct += next_end - (first > end ? first : end);
                end = next_end;
        }
        return distinct;
}

/* An array of `bits` zero bits, in words of 64. */
static uint64_t *allocate_bits(uint64_t bits)
{
        return arena_alloc((bits / 64 + 1) * sizeof(uint64_t));
}

static void set_bits(uint64_t *words, uint64_t first, uint64_t count)
{
        while (count) {
                uint64_t room = 64 - first % 64;
                uint64_t here = count < room ? count : room;
                words[first / 64] |= (~0ull >> (64 - here)) << (first % 64);
                first += here;
                count -= here;
        }
}

/*
 * Turn the sorted list, in place, into disjoint runs.  What a range shares with the
 * ones before it was claimed twice: those all begin at or before it and cover
 * everything from there to the run's end, so the shared part is one stretch.
 */
static void build_runs(struct claims *claims, const struct range_list *list)
{
        struct cluster_range *runs = claims->runs;
        uint64_t end = 0, bit = 0, count = 0;
        for (uint64_t i = 0; i < list->count; i++) {
                struct cluster_range range = list->ranges[i];
                uint64_t range_end = range.first + range.count;
                if (!count || range.first > end) {
                        claims->first_bit[count] = bit;
                        runs[count++] = (struct cluster_range){range.first, 0};
                        end = range.first;
                }
                if (range.first < end) {
                        uint64_t shared_end = range_end < end ? range_end : end;
                        set_bits(claims->contested, bit - (end - range.first),
                                 shared_end - range.first);
                }
                if (range_end > end) {
                        runs[count - 1].count += range_end - end;
                        bit += range_end - end;
                        end = range_end;
                }
        }
        claims->run_count = count;
        claims->high = end << claims->cluster_bits;
}

/* More runs want finer blocks: one bit in 512 set, or fewer. */
static uint64_t filter_limit(uint64_t run_count)
{
        if (run_count >= CLAIMS_MAX_FILTER_BITS / 512)
                return CLAIMS_MAX_FILTER_BITS;
        if (run_count <= CLAIMS_MIN_FILTER_BITS / 512)
                return CLAIMS_MIN_FILTER_BITS;
        return run_count * 512;
}

static bool build_filter(struct claims *claims)
{
        uint64_t last_byte = claims->high - claims->low - 1;
        uint64_t limit = filter_limit(claims->run_count);
        claims->block_bits = claims->cluster_bits;
        while (last_byte >> claims->block_bits >= limit)
                claims->block_bits++;
        uint64_t blocks = (last_byte >> claims->block_bits) + 1;
        claims->reach = blocks << claims->block_bits;
        claims->filter = allocate_bits(blocks + 1);
        if (!claims->filter)
                return false;
        uint32_t shift = claims->block_bits - claims->cluster_bits;
        for (uint64_t i = 0; i < claims->run_count; i++) {
                uint64_t from = claims->runs[i].first - claims->runs[0].first;
                uint64_t to = from + claims->runs[i].count - 1;
                set_bits(claims->filter, from >> shift,
                         (to >> shift) - (from >> shift) + 1);
        }
        return true;
}

bool claims_build(struct claims *claims, struct range_list *list, uint32_t cluster_bits)
{
        *claims = (struct claims){.cluster_bits = cluster_bits, .runs = list->ranges};
        if (!list->count)
                return true;
        range_list_sort(list);
        claims->contested = allocate_bits(count_distinct(list));
        claims->first_bit = arena_alloc(list->count * sizeof *claims->first_bit);
        if (!claims->contested || !claims->first_bit)
                return false;
        claims->low = list->ranges[0].first << cluster_bits;
        build_runs(claims, list);
        return build_filter(claims);
}

/* The run that holds `cluster`, or else the first behind it; run_count if none. */
static uint64_t find_run(const struct claims *claims, uint64_t cluster)
{
        uint64_t low = 0, high = claims->run_count;
        while (low < high) {
                uint64_t middle = low + (high - low) / 2;
                if (claims->runs[middle].first + claims->runs[middle].count <= cluster)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void claims_contest(struct claims *claims, uint64_t first, uint64_t count)
{
        uint64_t end = first + count;
        for (uint64_t i = find_run(claims, first); i < claims->run_count; i++) {
                const struct cluster_range *run = &claims->runs[i];
                uint64_t run_end = run->first + run->count;
                uint64_t from = first > run->first ? first : run->first;
                uint64_t to = end < run_end ? end : run_end;
                if (from >= to)
                        break;
                set_bits(claims->contested, claims->first_bit[i] + (from - run->first),
                         to - from);
        }
}

void claims_contest_bytes(struct claims *claims, uint64_t offset, uint64_t length)
{
        uint64_t last;
        if (!length)
                return;
        if (__builtin_add_overflow(offset, length - 1, &last))
                last = UINT64_MAX;
        uint64_t first = offset >> claims->cluster_bits;
        claims_contest(claims, first, (last >> claims->cluster_bits) - first + 1);
}

bool claims_hold(const struct claims *claims, uint64_t cluster)
{
        uint64_t i = find_run(claims, cluster);
        if (i == claims->run_count || claims->runs[i].first > cluster)
                return false;
        uint64_t bit = claims->first_bit[i] + (cluster - claims->runs[i].first);
        return !((claims->contested[bit / 64] >> (bit % 64)) & 1);
}
