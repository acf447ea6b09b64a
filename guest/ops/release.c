/* SPDX-License-Identifier: MIT */
#include "guest/ops/release.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/transaction.h"

/* As far back from the end as free clusters are looked for. */
#define TAIL_WINDOW 512u

enum abi_code release_begin(struct image *image, uint64_t claims, uint64_t keeps,
                            struct release *release)
{
        memset(release, 0, sizeof *release);
        release->image = image;
        release->keeps = arena_alloc(keeps * sizeof *release->keeps);
        return release->keeps && range_list_init(&release->claims, claims)
                   ? ABI_OK
                   : ABI_TOO_LARGE;
}

/* Append a run to a list, or lengthen the last one. */
static void append(struct extent *list, uint64_t *count, uint64_t first, uint64_t length)
{
        struct extent *last = *count ? &list[*count - 1] : NULL;
        if (last && last->first + last->count == first)
                last->count += length;
        else
                list[(*count)++] = (struct extent){first, length};
}

enum abi_code release_claim(struct release *release, uint64_t first, uint64_t count)
{
        struct range_list *claims = &release->claims;
        if (range_list_append(claims, first, count))
                return ABI_OK;
        if (!range_list_grow(claims))
                return ABI_TOO_LARGE;
        range_list_append(claims, first, count);
        return ABI_OK;
}

enum abi_code release_claim_directory(struct release *release)
{
        const struct directory *directory = &release->image->directory;
        uint32_t bits = release->image->header.cluster_bits;
        release->directory_goes = true;
        return release_claim(release, directory->offset >> bits,
                             directory->capacity >> bits);
}

void release_keep(struct release *release, uint64_t first, uint64_t count)
{
        append(release->keeps, &release->keep_count, first, count);
}

/* ---- the proof ---------------------------------------------------------------- */

/* Free clusters near the end: once what lies behind them is freed, the file can be
 * cut there. */
static enum abi_code find_free(struct release *release)
{
        struct image *image = release->image;
        struct refcounts *rc = &image->refcounts;
        uint64_t end = image->file_end >> image->header.cluster_bits;
        uint64_t start = end > TAIL_WINDOW ? end - TAIL_WINDOW : 1;
        if (image->block_device || end <= start)
                return ABI_OK;
        release->free = arena_alloc((end - start) * sizeof *release->free);
        if (!release->free)
                return ABI_TOO_LARGE;
        enum abi_code code = refcounts_want(rc, start, end - start);
        if (code)
                return code;
        refcounts_load(rc);
        for (uint64_t c = start; c < end; c++) {
                uint16_t value;
                if ((code = refcount_get(rc, c, &value)))
                        return code;
                if (!value)
                        append(release->free, &release->free_count, c, 1);
        }
        return ABI_OK;
}

static enum abi_code claim_all(struct release *release)
{
        struct image *image = release->image;
        enum abi_code code =
            ownership_begin(&image->header, image->file_size, &release->ownership);
        if (!code && release->planned)
                ownership_plan(release->ownership, release->planned);
        const struct range_list *claims = &release->claims;
        for (uint64_t i = 0; i < claims->count && !code; i++)
                code = ownership_claim(release->ownership, claims->ranges[i].first,
                                       claims->ranges[i].count);
        for (uint64_t i = 0; i < release->free_count && !code; i++)
                code = ownership_claim(release->ownership, release->free[i].first,
                                       release->free[i].count);
        return code ? code : ownership_seal(release->ownership);
}

/* What the planner knows to be somebody else's: other bitmaps, the directory if it
 * stays, and what the bitmap keeps. */
static void contest_known(struct release *release, uint64_t own_position)
{
        struct image *image = release->image;
        const struct directory *directory = &image->directory;
        uint64_t size = image->header.cluster_size;
        struct directory_entry entry;
        for (uint64_t position = 0; own_position != RELEASE_ALL_BITMAPS &&
                                    directory_entry_at(directory, position, &entry);
             position += entry.length)
                if (position != own_position)
                        ownership_contest_table(release->ownership, entry.table_offset,
                                                entry.table_entries);
        if (directory->bytes && !release->directory_goes)
                ownership_contest(
                    release->ownership,
                    (struct foreign_range){directory->offset, directory->capacity});
        for (uint64_t i = 0; i < release->keep_count; i++)
                ownership_contest(release->ownership,
                                  (struct foreign_range){release->keeps[i].first * size,
                                                         release->keeps[i].count * size});
}

static enum abi_code load_refcounts(struct release *release)
{
        struct refcounts *rc = &release->image->refcounts;
        const struct range_list *claims = &release->claims;
        for (uint64_t i = 0; i < claims->count; i++) {
                enum abi_code code =
                    refcounts_want(rc, claims->ranges[i].first, claims->ranges[i].count);
                if (code)
                        return code;
        }
        refcounts_load(rc);
        return ABI_OK;
}

enum abi_code release_prove(struct release *release, uint64_t own_position, bool scan_l2)
{
        bool provable;
        if (!release->claims.count)
                return ABI_OK;
        enum abi_code code = load_refcounts(release);
        if (code || (code = find_free(release)) || (code = claim_all(release)))
                return code;
        contest_known(release, own_position);
        return ownership_prove(release->ownership, scan_l2, &provable);
}

/* The cluster in `shared`; NULL if it is not there. */
static const struct cluster_range *find_shared(const struct release *release,
                                               uint64_t cluster)
{
        const struct range_list *shared = &release->shared;
        uint64_t low = 0;
        uint64_t high = shared->count;
        while (low < high) {
                uint64_t middle = low + (high - low) / 2;
                if (shared->ranges[middle].first < cluster)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == shared->count || shared->ranges[low].first != cluster)
                return NULL;
        return &shared->ranges[low];
}

/* How many references to a claimed cluster go. */
static uint64_t references(const struct release *release, uint64_t cluster)
{
        const struct cluster_range *shared = find_shared(release, cluster);
        return shared ? shared->count : 1;
}

enum abi_code release_holds(struct release *release, uint64_t cluster, bool *holds)
{
        uint16_t value = 0;
        bool in_place = false;
        enum abi_code code = ABI_OK;
        if (release->ownership && ownership_holds(release->ownership, cluster))
                code = refcount_get(&release->image->refcounts, cluster, &value);
        if (!code && value && value == references(release, cluster))
                code = image_block_in_place(
                    release->image, cluster >> release->image->refcounts.block_bits,
                    &in_place);
        *holds = in_place;
        return code;
}

/* ---- what is freed -------------------------------------------------------------- */

static bool inside_any(const struct extent *list, uint64_t count, uint64_t cluster)
{
        for (uint64_t i = 0; i < count; i++)
                if (cluster - list[i].first < list[i].count)
                        return true;
        return false;
}

/*
 * Where compressed data that stays lies in the same cluster, the cluster is not freed,
 * but counted by as much less as goes.  It keeps a refcount, so this gives nothing away,
 * and needs no proof.
 */
static enum abi_code lower(struct release *release, uint64_t cluster, bool *lowered)
{
        const struct cluster_range *shared = find_shared(release, cluster);
        struct image *image = release->image;
        uint16_t value;
        *lowered = false;
        if (!shared)
                return ABI_OK;
        enum abi_code code = refcount_get(&image->refcounts, cluster, &value);
        if (code || value <= shared->count)
                return code;
        code =
            image_block_in_place(image, cluster >> image->refcounts.block_bits, lowered);
        if (!code && *lowered)
                release->lowered[release->lowered_count++] =
                    (struct lowered){cluster, (uint16_t)(value - shared->count)};
        return code;
}

static enum abi_code settle_cluster(struct release *release, uint64_t cluster)
{
        uint64_t file_clusters =
            release->image->file_end >> release->image->header.cluster_bits;
        bool holds;
        bool lowered;
        enum abi_code code = release_holds(release, cluster, &holds);
        if (code)
                return code;
        if (holds) {
                append(release->freed, &release->freed_count, cluster, 1);
                return ABI_OK;
        }
        code = lower(release, cluster, &lowered);
        if (!lowered && cluster < file_clusters)
                release->leaked++;
        return code;
}

static enum abi_code settle_run(struct release *release, const struct cluster_range *run,
                                const struct extent *kept, uint64_t kept_count)
{
        enum abi_code code = ABI_OK;
        for (uint64_t c = run->first; c < run->first + run->count && !code; c++)
                if (!inside_any(kept, kept_count, c))
                        code = settle_cluster(release, c);
        return code;
}

/* The claims in order, each cluster once: one that is claimed twice leaks once. */
static enum abi_code unite_claims(const struct release *release, struct range_list *runs)
{
        const struct range_list *claims = &release->claims;
        if (!range_list_init(runs, claims->count + 1))
                return ABI_TOO_LARGE;
        memcpy(runs->ranges, claims->ranges, claims->count * sizeof *runs->ranges);
        runs->count = claims->count;
        range_list_unite(runs);
        return ABI_OK;
}

enum abi_code release_settle(struct release *release, const struct extent *kept,
                             uint64_t kept_count)
{
        struct range_list runs;
        uint64_t clusters = 0;
        enum abi_code code = unite_claims(release, &runs);
        if (code)
                return code;
        for (uint64_t i = 0; i < runs.count; i++)
                clusters += runs.ranges[i].count;
        /* Runs that are freed in part fall apart: into one per two clusters at worst. */
        release->freed =
            arena_alloc((clusters / 2 + runs.count + 1) * sizeof *release->freed);
        release->lowered = arena_alloc(release->shared.count * sizeof *release->lowered);
        if (!release->freed || !release->lowered)
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i < runs.count && !code; i++)
                code = settle_run(release, &runs.ranges[i], kept, kept_count);
        return code;
}

/* ---- emission ------------------------------------------------------------------- */

/* The file's new size in clusters: free and proved clusters at its end go. */
static enum abi_code find_cut(struct release *release, uint64_t file_size, uint64_t *end)
{
        struct image *image = release->image;
        *end = divide_up(file_size, image->header.cluster_size);
        while (*end > 1 && ownership_holds(release->ownership, *end - 1)) {
                uint16_t value;
                enum abi_code code = refcount_get(&image->refcounts, *end - 1, &value);
                if (code)
                        return code;
                if (value)
                        break;
                --*end;
        }
        return ABI_OK;
}

static enum abi_code emit_cut(struct release *release, uint32_t step, uint64_t file_size)
{
        uint64_t size = release->image->header.cluster_size;
        uint64_t end;
        if (release->image->block_device)
                return ABI_OK;
        enum abi_code code = find_cut(release, file_size, &end);
        if (!code && end * size < file_size)
                transaction_truncate(step, end * size);
        return code;
}

/* The last cluster of the file may be there in part. */
static void emit_punch(const struct extent *freed, uint32_t step, uint64_t cluster_size,
                       uint64_t file_size)
{
        uint64_t start = freed->first * cluster_size;
        uint64_t end = start + freed->count * cluster_size;
        if (end > file_size)
                end = file_size;
        if (start < end)
                transaction_punch(step, start, end - start);
}

static enum abi_code lower_refcounts(struct release *release)
{
        struct refcounts *rc = &release->image->refcounts;
        enum abi_code code = ABI_OK;
        for (uint64_t i = 0; i < release->freed_count && !code; i++)
                code =
                    refcount_set(rc, release->freed[i].first, release->freed[i].count, 0);
        for (uint64_t i = 0; i < release->lowered_count && !code; i++)
                code = refcount_set(rc, release->lowered[i].cluster, 1,
                                    release->lowered[i].refcount);
        return code;
}

enum abi_code release_emit(struct release *release, uint32_t step, uint64_t file_size)
{
        struct refcounts *rc = &release->image->refcounts;
        uint64_t size = release->image->header.cluster_size;
        enum abi_code code = lower_refcounts(release);
        if (code || (code = sectors_emit_parts(&rc->sectors, step)))
                return code;
        transaction_apply(step, 0);
        for (uint64_t i = 0; i < release->freed_count; i++) {
                if (i && i % TRANSACTION_PART == 0)
                        transaction_apply(step + 1, ABI_APPLY_PART);
                emit_punch(&release->freed[i], step + 1, size, file_size);
        }
        if ((code = emit_cut(release, step + 1, file_size)))
                return code;
        transaction_apply(step + 1, 0);
        return ABI_OK;
}
