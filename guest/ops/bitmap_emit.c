/* SPDX-License-Identifier: MIT */
/*
 * The transaction.  Steps: 1 zeroes fresh clusters of a block device, 2 clears
 * unknown autoclear bits, 3 is the build, then the switch (for the header, its
 * phases), then the release.
 */
#include <string.h>

#include "guest/ops/bitmap_edit.h"
#include "guest/qcow2/header_patch.h"
#include "guest/qcow2/scrub.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/transaction.h"

enum { STEP_SCRUB = 1, STEP_AUTOCLEAR = 2, STEP_BUILD = 3 };

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* The file ends behind the last fresh cluster, and behind an appended entry. */
static uint64_t final_size(const struct edit *edit, uint64_t file_size)
{
        const struct image *image = edit->image;
        uint64_t size = image->header.cluster_size;
        uint64_t final = file_size;
        if (image->block_device)
                return final;
        if (edit->allocator.next * size > image->file_end)
                final = larger(final, edit->allocator.next * size);
        if (edit->append_in_place)
                final = larger(final,
                               divide_up(image->directory.offset + edit->directory_size,
                                         ABI_SECTOR) *
                                   ABI_SECTOR);
        return final;
}

static void assert_seen(const struct edit *edit)
{
        const struct directory *d = &edit->image->directory;
        header_assert(edit->image);
        if (d->bytes)
                transaction_assert(d->offset, d->bytes, d->size);
        if (edit->target.all_go)
                edit_assert_all(edit);
        if (edit->target.merged)
                merge_assert(&edit->merge, edit->target.old.table_offset);
        else if (edit->old_table)
                transaction_assert(edit->target.old.table_offset, edit->old_table,
                                   edit->old_entries * 8);
}

static void claim_extent(const struct edit *edit, const struct extent *extent)
{
        uint64_t size = edit->image->header.cluster_size;
        transaction_claim(extent->first * size, extent->count * size);
}

/* All clusters that the edit takes: recovery gives them back only if nothing has come to
 * refer to them (invariant 7). */
static void claim_clusters(const struct edit *edit)
{
        claim_extent(edit, &edit->new_table);
        claim_extent(edit, &edit->new_directory);
        for (uint64_t i = 0; i < edit->data_extent_count; i++)
                claim_extent(edit, &edit->data_extents[i]);
}

/* ---- build ------------------------------------------------------------------------ */

static enum abi_code emit_refcounts(struct edit *edit)
{
        struct refcounts *rc = &edit->image->refcounts;
        enum abi_code code =
            refcount_set(rc, edit->new_table.first, edit->new_table.count, 1);
        if (!code)
                code = refcount_set(rc, edit->new_directory.first,
                                    edit->new_directory.count, 1);
        for (uint64_t i = 0; i < edit->data_extent_count && !code; i++)
                code = refcount_set(rc, edit->data_extents[i].first,
                                    edit->data_extents[i].count, 1);
        return code ? code : sectors_emit(&rc->sectors, STEP_BUILD);
}

static void emit_contents(struct edit *edit)
{
        const struct directory *d = &edit->image->directory;
        uint64_t size = edit->image->header.cluster_size;
        if (edit->table_content)
                transaction_fresh(STEP_BUILD, edit->new_table.first * size,
                                  edit->table_content, edit->table_content_bytes);
        if (edit->data_content)
                transaction_fresh(STEP_BUILD, edit->data_extents[0].first * size,
                                  edit->data_content, edit->all_dirty.data_bytes);
        if (edit->new_directory.count)
                transaction_fresh(
                    STEP_BUILD, edit->new_directory.first * size, edit->directory_bytes,
                    divide_up(edit->directory_size, ABI_SECTOR) * ABI_SECTOR);
        else if (edit->append_in_place)
                transaction_write(STEP_BUILD, 0, d->offset + d->size, d->bytes + d->size,
                                  edit->directory_bytes, edit->directory_size - d->size);
}

static enum abi_code plan_header(struct edit *edit)
{
        struct bitmaps_body body;
        edit->header_edit.count = 0;
        if (edit->how != EDIT_DIRECTORY)
                return ABI_OK;
        return extension_edit(&edit->image->header, &edit->image->header_bytes,
                              edit_wanted_body(edit, &body), edit_publishes(edit),
                              &edit->header_edit);
}

/* Emit the header's writes of one phase; false if there are none. */
static bool emit_header_phase(struct edit *edit, uint32_t phase, enum abi_code *code)
{
        bool any = false;
        for (uint32_t i = 0; i < edit->header_edit.count && !*code; i++) {
                const struct header_write *write = &edit->header_edit.writes[i];
                if (write->phase != phase)
                        continue;
                *code = header_patch(edit->image, STEP_BUILD + phase,
                                     write->is_switch ? ABI_CHANGE_SWITCH : 0,
                                     write->offset, write->bytes, write->length);
                any = true;
        }
        return any;
}

/* Declare the build; *any says whether there is anything to apply. */
static enum abi_code emit_build(struct edit *edit, bool *any)
{
        enum abi_code code = emit_refcounts(edit);
        if (code)
                return code;
        emit_contents(edit);
        if (edit->merge.data_clusters && edit->new_table.count)
                code = merge_emit(&edit->merge, edit->data_extents, STEP_BUILD);
        if (!code)
                code = plan_header(edit);
        if (code)
                return code;
        *any = emit_header_phase(edit, 0, &code) || edit->append_in_place ||
               edit->new_table.count || edit->new_directory.count;
        return code;
}

/* ---- switch --------------------------------------------------------------------------
 */

static enum abi_code emit_entry_switch(struct edit *edit, uint32_t step)
{
        const struct target *t = &edit->target;
        const struct directory *d = &edit->image->directory;
        const uint8_t *old = d->bytes + t->old.position;
        uint8_t *entry = arena_alloc(QCOW2_ENTRY_FIXED);
        if (!entry)
                return ABI_TOO_LARGE;
        memcpy(entry, old, QCOW2_ENTRY_FIXED);
        edit_store_changes(edit, entry);
        uint32_t first = QCOW2_ENTRY_FLAGS;
        uint32_t end = QCOW2_ENTRY_FLAGS + 4;
        if (edit->how == EDIT_TABLE) {
                first = 0;
                if (t->flags == t->old.flags)
                        end = 8;
        }
        transaction_write(step, ABI_CHANGE_SWITCH, d->offset + t->old.position + first,
                          old + first, entry + first, end - first);
        return ABI_OK;
}

static enum abi_code emit_zero_table(struct edit *edit, uint32_t step)
{
        uint8_t *zeros = arena_alloc(edit->zero_length);
        if (!zeros)
                return ABI_TOO_LARGE;
        transaction_write(step, ABI_CHANGE_SWITCH,
                          edit->target.old.table_offset + edit->zero_first,
                          (const uint8_t *)edit->old_table + edit->zero_first, zeros,
                          edit->zero_length);
        return ABI_OK;
}

/* The phase of the header's edit that is the commit point. */
static uint32_t switch_phase(const struct header_edit *edit)
{
        for (uint32_t i = 0; i < edit->count; i++)
                if (edit->writes[i].is_switch)
                        return edit->writes[i].phase;
        return 0;
}

/* Declare everything up to the switch before the build is applied: one batch of
 * the journal, one sync of it.  Then apply; *step is the last step used. */
static enum abi_code emit_header_switch(struct edit *edit, bool build, uint32_t *step)
{
        uint32_t last = switch_phase(&edit->header_edit);
        enum abi_code code = ABI_OK;
        for (uint32_t phase = 1; phase <= last; phase++)
                emit_header_phase(edit, phase, &code);
        if (code)
                return code;
        if (build)
                transaction_apply(STEP_BUILD, 0);
        for (uint32_t phase = 1; phase <= last; phase++)
                transaction_apply(STEP_BUILD + phase, 0);
        /* What follows the switch is clean-up, and is not undone. */
        while (emit_header_phase(edit, ++last, &code))
                transaction_apply(STEP_BUILD + last, 0);
        *step = STEP_BUILD + last - 1;
        return code;
}

static enum abi_code emit_switch(struct edit *edit, bool build, uint32_t *step)
{
        enum abi_code code;
        if (edit->how == EDIT_DIRECTORY)
                return emit_header_switch(edit, build, step);
        *step = STEP_BUILD + 1;
        if (edit->how == EDIT_ZERO_TABLE)
                code = emit_zero_table(edit, *step);
        else
                code = emit_entry_switch(edit, *step);
        if (build)
                transaction_apply(STEP_BUILD, 0);
        transaction_apply(*step, 0);
        return code;
}

/* ---- release
 * ---------------------------------------------------------------------------- */

/* The removed last entry is in the slack now, where only zeros are of use. */
static enum abi_code emit_slack(struct edit *edit, uint32_t step)
{
        const struct directory *d = &edit->image->directory;
        const struct directory_entry *old = &edit->target.old;
        if (!edit->slack_in_place)
                return ABI_OK;
        uint8_t *zeros = arena_alloc(old->length);
        if (!zeros)
                return ABI_TOO_LARGE;
        transaction_write(step, 0, d->offset + old->position, d->bytes + old->position,
                          zeros, old->length);
        return ABI_OK;
}

enum abi_code edit_emit(struct edit *edit)
{
        uint64_t file_size = edit->image->file_size;
        uint32_t step = STEP_BUILD;
        bool build = false;
        enum abi_code code = growth_emit(&edit->growth, &file_size);
        if (code)
                return code;
        uint64_t final = final_size(edit, file_size);
        transaction_begin(file_size, final, 0);
        assert_seen(edit);
        claim_clusters(edit);
        if ((code = scrub_emit(&edit->allocator, STEP_SCRUB)) ||
            (code = header_clear_autoclear(edit->image, STEP_AUTOCLEAR)) ||
            (code = emit_build(edit, &build)) || (code = emit_switch(edit, build, &step)))
                return code;
        if (!edit->release.ownership)
                return ABI_OK;
        if ((code = emit_slack(edit, step + 1)))
                return code;
        return release_emit(&edit->release, step + 1, final);
}
