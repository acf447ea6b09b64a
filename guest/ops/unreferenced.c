/* SPDX-License-Identifier: MIT */
/*
 * Does anything in the image refer to these ranges?  What recovery asks before it gives
 * back the clusters that an interrupted edit had taken: a program that has written
 * since may have taken the very same ones (invariant 7), and no comparison of bytes
 * tells, where it wrote zeros.
 *
 * The proof wants sound metadata.  Where they are damaged, as they are while a repair is
 * interrupted, it is asked instead what a reader could follow: the checker's walk, which
 * goes wherever QEMU would go.
 *
 * It reads and never writes.  ABI_OK: nothing does.  ABI_REFERENCED: something does.
 * ABI_UNPROVABLE: the image's metadata is damaged.  Any other code: it could not be read
 * as far as that.
 */
#include "guest/ops/unreferenced.h"

#include <string.h>

#include "guest/ops/check_state.h"
#include "guest/qcow2/image.h"
#include "guest/qcow2/ownership.h"
#include "guest/rt/arena.h"
#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/platform.h"
#include "guest/rt/transaction.h"

struct proof {
        const struct abi_call *call;
        struct image image;
        struct ownership *ownership;
        bool provable;
};

/* The clusters that lie wholly or in part in a range. */
static void clusters_of(const struct proof *p, const struct abi_range *range,
                        struct cluster_range *clusters)
{
        uint32_t bits = p->image.header.cluster_bits;
        clusters->first = range->offset >> bits;
        clusters->count =
            ((range->offset + range->length - 1) >> bits) - clusters->first + 1;
}

/* A range may lie behind the end: what refers to it counts all the same. */
static uint64_t end_of_ranges(const struct proof *p)
{
        uint64_t end = p->call->file_size;
        for (uint32_t i = 0; i < p->call->range_count; i++) {
                uint64_t own = p->call->ranges[i].offset + p->call->ranges[i].length;
                end = own > end ? own : end;
        }
        return end;
}

/* Before anything is asked of them. */
static bool ranges_are_sound(const struct abi_call *call)
{
        if (call->range_count > ABI_MAX_RANGES)
                return false;
        for (uint32_t i = 0; i < call->range_count; i++)
                if (!call->ranges[i].length ||
                    !range_inside(call->ranges[i].offset, call->ranges[i].length,
                                  UINT64_MAX))
                        return false;
        return true;
}

static enum abi_code claim(struct proof *p)
{
        struct cluster_range clusters = {0, 0};
        enum abi_code code =
            ownership_begin(&p->image.header, end_of_ranges(p), &p->ownership);
        for (uint32_t i = 0; i < p->call->range_count && !code; i++) {
                clusters_of(p, &p->call->ranges[i], &clusters);
                code = ownership_claim(p->ownership, clusters.first, clusters.count);
        }
        return code ? code : ownership_seal(p->ownership);
}

/* Bitmaps that count: a stale list is nobody's, and may be the interrupted edit's own. */
static void contest_bitmaps(struct proof *p)
{
        const struct directory *directory = &p->image.directory;
        struct directory_entry entry;
        if (header_is_stale(&p->image.header) || !directory->bytes)
                return;
        for (uint64_t position = 0; directory_entry_at(directory, position, &entry);
             position += entry.length)
                ownership_contest_table(p->ownership, entry.table_offset,
                                        entry.table_entries);
        ownership_contest(p->ownership,
                          (struct foreign_range){directory->offset, directory->size});
}

static enum abi_code verdict(const struct proof *p)
{
        struct cluster_range clusters = {0, 0};
        if (!p->provable)
                return ABI_UNPROVABLE;
        for (uint32_t i = 0; i < p->call->range_count; i++) {
                clusters_of(p, &p->call->ranges[i], &clusters);
                for (uint64_t n = 0; n < clusters.count; n++)
                        if (!ownership_holds(p->ownership, clusters.first + n))
                                return fail(ABI_REFERENCED,
                                            (clusters.first + n)
                                                << p->image.header.cluster_bits,
                                            0, 0, 0);
        }
        return ABI_OK;
}

static enum abi_code prove(struct proof *p)
{
        enum abi_code code = image_open_any(&p->image, p->call->file_size,
                                            p->call->flags & ABI_CALL_BLOCK_DEVICE);
        if (code || (code = claim(p)))
                return code;
        contest_bitmaps(p);
        code = ownership_prove(p->ownership, true, &p->provable);
        return code ? code : verdict(p);
}

/* ---- damaged metadata -----------------------------------------------------------------
 */

static enum abi_code look_for_references(const struct proof *p, const struct check *c)
{
        struct cluster_range clusters = {0, 0};
        for (uint32_t i = 0; i < p->call->range_count; i++) {
                clusters_of(p, &p->call->ranges[i], &clusters);
                for (uint64_t n = 0; n < clusters.count; n++)
                        if (check_references(c, clusters.first + n))
                                return fail(ABI_REFERENCED,
                                            (clusters.first + n)
                                                << p->image.header.cluster_bits,
                                            0, 0, 0);
        }
        return ABI_OK;
}

/* Only what the header does not show at all is unprovable. */
static enum abi_code ask_the_checker(struct proof *p)
{
        struct check *c = arena_alloc(sizeof *c);
        if (!c)
                return ABI_TOO_LARGE;
        c->call = p->call;
        c->file_size = end_of_ranges(p);
        c->silent = true;
        c->count_on = true;
        c->walks_on = true;
        enum abi_code code = check_whole(c);
        p->image.header = c->image.header;
        c->first = 0;
        if (code || c->sums.passes != 1)
                return code == ABI_TOO_LARGE ? code : ABI_UNPROVABLE;
        return look_for_references(p, c);
}

static bool settles_it(enum abi_code code)
{
        return code == ABI_OK || code == ABI_REFERENCED || code == ABI_TOO_LARGE ||
               code == ABI_NOT_QCOW2;
}

static enum abi_code run(struct proof *p)
{
        if (!ranges_are_sound(p->call))
                return ABI_OVERFLOW;
        enum abi_code code = prove(p);
        return settles_it(code) ? code : ask_the_checker(p);
}

void unreferenced_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct proof *p = arena_alloc(sizeof *p);
        if (!p) {
                result.code = ABI_TOO_LARGE;
        } else {
                p->call = rt_call();
                result.code = run(p);
        }
        if (result.code)
                failure_details(result.detail);
        program_end(&result);
}
