/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/scrub.h"

#include <string.h>

#include "guest/qcow2/ownership.h"
#include "guest/rt/arena.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"
#include "guest/rt/transaction.h"

/* A cluster is looked at in pieces of this many bytes at the most. */
#define PIECE (64u << 10)

/* The host keeps a copy of what waits to be written: it goes out in parts. */
#define PART (8u << 20)

static uint64_t piece_size(const struct allocator *a)
{
        uint64_t size = a->image->header.cluster_size;
        return size < PIECE ? size : PIECE;
}

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
        return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

static bool cluster_is_zero(const struct allocator *a, uint64_t cluster, uint8_t *buffer)
{
        uint64_t size = a->image->header.cluster_size;
        uint64_t piece = piece_size(a);
        for (uint64_t done = 0; done < size; done += piece) {
                read_queue(cluster * size + done, buffer, piece);
                read_flush();
                if (!all_zero(buffer, piece))
                        return false;
        }
        return true;
}

/* Sort what was taken: clusters that are not zero go to a->scrub. */
static enum abi_code find_dirty(struct allocator *a)
{
        uint64_t clusters = 0;
        for (uint64_t i = 0; i < a->taken_count; i++)
                clusters += a->taken[i].count;
        a->scrub = arena_alloc(clusters * sizeof *a->scrub);
        uint8_t *buffer = arena_alloc(piece_size(a));
        if (!a->scrub || !buffer)
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i < a->taken_count; i++)
                for (uint64_t n = 0; n < a->taken[i].count; n++)
                        if (!cluster_is_zero(a, a->taken[i].first + n, buffer))
                                a->scrub[a->scrub_count++] = a->taken[i].first + n;
        return ABI_OK;
}

static enum abi_code prove_unreferenced(struct allocator *a)
{
        struct ownership *ownership;
        bool provable;
        enum abi_code code =
            ownership_begin(&a->image->header, a->image->file_size, &ownership);
        for (uint64_t i = 0; i < a->scrub_count && !code; i++)
                code = ownership_claim(ownership, a->scrub[i], 1);
        if (code || (code = ownership_seal(ownership)))
                return code;
        struct directory_entry entry;
        const struct directory *directory = &a->image->directory;
        for (uint64_t position = 0; directory_entry_at(directory, position, &entry);
             position += entry.length)
                ownership_contest_table(ownership, entry.table_offset,
                                        entry.table_entries);
        ownership_contest(ownership,
                          (struct foreign_range){directory->offset, directory->capacity});
        if ((code = ownership_prove(ownership, true, &provable)))
                return code;
        for (uint64_t i = 0; i < a->scrub_count; i++)
                if (!ownership_holds(ownership, a->scrub[i]))
                        return fail(ABI_BAD_REFCOUNTS,
                                    a->scrub[i] * a->image->header.cluster_size, 0,
                                    ABI_REFCOUNT_IN_USE, 0);
        return ABI_OK;
}

enum abi_code scrub_prepare(struct allocator *a)
{
        if (!a->taken_count)
                return ABI_OK;
        enum abi_code code = find_dirty(a);
        return code || !a->scrub_count ? code : prove_unreferenced(a);
}

enum abi_code scrub_emit(struct allocator *a, uint32_t step)
{
        uint64_t size = a->image->header.cluster_size;
        uint64_t piece = piece_size(a);
        uint64_t waiting = 0;
        if (!a->scrub_count)
                return ABI_OK;
        uint8_t *zeros = arena_alloc(piece);
        uint8_t *old = arena_alloc(piece);
        if (!zeros || !old)
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i < a->scrub_count; i++) {
                for (uint64_t done = 0; done < size; done += piece) {
                        read_queue(a->scrub[i] * size + done, old, piece);
                        read_flush();
                        if (!all_zero(old, piece))
                                transaction_write(step, 0, a->scrub[i] * size + done, old,
                                                  zeros, piece);
                }
                waiting += size;
                if (waiting >= PART) {
                        transaction_apply(step, ABI_APPLY_PART);
                        waiting = 0;
                }
        }
        transaction_apply(step, 0);
        a->scrub_count = 0;
        return ABI_OK;
}
