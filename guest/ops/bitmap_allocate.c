/* SPDX-License-Identifier: MIT */
/* Last stage that can refuse: clusters, growth, the header's edit, memory. */
#include <string.h>

#include "guest/ops/bitmap_edit.h"
#include "guest/qcow2/scrub.h"
#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

static bool needs_table(const struct edit *edit)
{
        const struct target *t = &edit->target;
        if (edit->how == EDIT_TABLE)
                return true;
        return edit->how == EDIT_DIRECTORY && t->exists &&
               (t->recreated || edit->content_changes);
}

static uint64_t directory_clusters(const struct edit *edit)
{
        if (edit->how != EDIT_DIRECTORY || !edit->directory_moves)
                return 0;
        return divide_up(edit->directory_size, edit->image->header.cluster_size);
}

static uint64_t data_clusters(const struct edit *edit)
{
        return edit->merge.data_clusters + edit->all_dirty.data_clusters;
}

static uint64_t new_table_entries(const struct edit *edit)
{
        if (edit->target.recreated)
                return bitmap_table_entries(&edit->image->header,
                                            edit->target.granularity_bits);
        return edit->target.reset ? edit->all_dirty.entries : edit->old_entries;
}

static enum abi_code allocate_data(struct edit *edit)
{
        uint64_t left = data_clusters(edit);
        /* At worst one run for each hole, block and table, and a cluster each. */
        edit->data_extents = arena_alloc(left * sizeof *edit->data_extents);
        if (left && !edit->data_extents)
                return ABI_TOO_LARGE;
        while (left) {
                struct extent *extent = &edit->data_extents[edit->data_extent_count++];
                enum abi_code code = allocate_some(&edit->allocator, left, extent);
                if (code)
                        return code;
                left -= extent->count;
        }
        return ABI_OK;
}

static enum abi_code allocate_clusters(struct edit *edit)
{
        const struct header *h = &edit->image->header;
        uint64_t tables = 0;
        uint64_t directories = directory_clusters(edit);
        if (needs_table(edit)) {
                edit->new_table_entries = new_table_entries(edit);
                tables = table_clusters(h, edit->new_table_entries);
        }
        uint64_t total = tables + directories + data_clusters(edit);
        if (!total)
                return ABI_OK;
        enum abi_code code = allocator_begin(edit->image, total, &edit->allocator);
        if (!code && tables)
                code = allocate_run(&edit->allocator, tables, &edit->new_table);
        if (!code && directories)
                code = allocate_run(&edit->allocator, directories, &edit->new_directory);
        if (!code)
                code = allocate_data(edit);
        if (!code)
                code = allocator_finish(&edit->allocator);
        return code ? code : scrub_prepare(&edit->allocator);
}

/* ---- contents ------------------------------------------------------------------- */

static enum abi_code build_all_dirty(struct edit *edit)
{
        const struct all_dirty *plan = &edit->all_dirty;
        uint64_t data = 0;
        if (plan->data_clusters) {
                data = edit->data_extents[0].first * edit->image->header.cluster_size;
                edit->data_content = arena_alloc(plan->data_bytes);
                if (!edit->data_content)
                        return ABI_TOO_LARGE;
                all_dirty_store_data(plan, edit->data_content);
        }
        all_dirty_store_table(plan, data, edit->table_content);
        return ABI_OK;
}

static enum abi_code build_table(struct edit *edit)
{
        const struct target *t = &edit->target;
        if (!(t->merged || t->reset) || !edit->new_table.count)
                return ABI_OK; /* zeros: a hole */
        edit->table_content_bytes =
            divide_up(edit->new_table_entries * 8, ABI_SECTOR) * ABI_SECTOR;
        edit->table_content = arena_alloc(edit->table_content_bytes);
        if (!edit->table_content)
                return ABI_TOO_LARGE;
        if (t->reset)
                return build_all_dirty(edit);
        merge_store_table(&edit->merge, edit->data_extents, edit->table_content);
        return ABI_OK;
}

static void store_new_entry(struct edit *edit, uint8_t *bytes)
{
        const struct target *t = &edit->target;
        struct directory_new_entry entry = {
            .name = t->name,
            .table_offset = edit->new_table.first << edit->image->header.cluster_bits,
            .table_entries = (uint32_t)edit->new_table_entries,
            .flags = t->flags,
            .granularity_bits = t->granularity_bits,
        };
        directory_store_entry(bytes, &entry);
}

void edit_store_changes(const struct edit *edit, uint8_t *entry)
{
        store_be32(entry + QCOW2_ENTRY_FLAGS, edit->target.flags);
        if (!edit->new_table.count)
                return;
        store_be64(entry, edit->new_table.first << edit->image->header.cluster_bits);
        store_be32(entry + QCOW2_ENTRY_TABLE_SIZE, (uint32_t)edit->new_table_entries);
}

/* The whole new directory: the old one without, or with a changed, entry. */
static void copy_directory(struct edit *edit)
{
        const struct target *t = &edit->target;
        const struct directory *d = &edit->image->directory;
        bool stays = t->existed && t->exists && !t->recreated;
        uint64_t before = t->existed && !stays ? t->old.position : d->size;
        uint64_t behind = before + (t->existed && !stays ? t->old.length : 0);
        if (d->bytes) {
                memcpy(edit->directory_bytes, d->bytes, before);
                memcpy(edit->directory_bytes + before, d->bytes + behind,
                       d->size - behind);
        }
        if (stays) {
                uint8_t *entry = edit->directory_bytes + t->old.position;
                edit_store_changes(edit, entry);
        } else if (t->exists) {
                store_new_entry(edit, edit->directory_bytes + edit->directory_size -
                                          directory_entry_length(t->name.length));
        }
}

static enum abi_code build_directory(struct edit *edit)
{
        uint64_t bytes;
        if (edit->how != EDIT_DIRECTORY)
                return ABI_OK;
        if (edit->append_in_place)
                bytes = directory_entry_length(edit->target.name.length);
        else if (edit->new_directory.count)
                bytes = divide_up(edit->directory_size, ABI_SECTOR) * ABI_SECTOR;
        else
                return ABI_OK;
        edit->directory_bytes = arena_alloc(bytes);
        if (!edit->directory_bytes)
                return ABI_TOO_LARGE;
        if (edit->append_in_place)
                store_new_entry(edit, edit->directory_bytes);
        else
                copy_directory(edit);
        return ABI_OK;
}

const struct bitmaps_body *edit_wanted_body(const struct edit *edit,
                                            struct bitmaps_body *body)
{
        if (!edit->target.bitmaps)
                return NULL;
        body->count = edit->target.bitmaps;
        body->directory_size = edit->directory_size;
        body->directory_offset = edit->new_directory.count
                                     ? edit->new_directory.first
                                           << edit->image->header.cluster_bits
                                     : edit->image->directory.offset;
        return body;
}

/* Whether the header can be edited is known before anything is written; the edit
 * itself is planned when its turn comes, on the bytes as they are then. */
static enum abi_code check_header_edit(struct edit *edit)
{
        struct bitmaps_body body;
        struct header known = edit->image->header;
        if (edit->how != EDIT_DIRECTORY)
                return ABI_OK;
        known.autoclear &= QCOW2_AUTOCLEAR_KNOWN;
        enum abi_code code = header_need(&edit->image->header, &edit->image->header_bytes,
                                         extension_edit_reach(&edit->image->header));
        if (code)
                return code;
        return extension_edit(&known, &edit->image->header_bytes,
                              edit_wanted_body(edit, &body), edit_publishes(edit),
                              &edit->header_edit);
}

/* ---- what is written in place ----------------------------------------------------- */

static enum abi_code check_in_place(struct edit *edit)
{
        enum abi_code code = image_counts_in_place(edit->image, &edit->new_table);
        if (!code)
                code = image_counts_in_place(edit->image, &edit->new_directory);
        for (uint64_t i = 0; i < edit->data_extent_count && !code; i++)
                code = image_counts_in_place(edit->image, &edit->data_extents[i]);
        return code;
}

/* Arena bytes that the emission may still take: copies of changed sectors, and
 * sectors of fresh refcount blocks. */
static enum abi_code check_memory(const struct edit *edit)
{
        uint64_t clusters = edit->new_table.count + edit->new_directory.count +
                            data_clusters(edit) + edit->allocator.planned_blocks;
        uint64_t sectors = clusters / (ABI_SECTOR / 2) + 2 * edit->data_extent_count +
                           edit->allocator.planned_blocks + 64;
        uint64_t needed = 2 * sectors_emit_cost(&edit->image->refcounts.sectors) +
                          sectors * (3 * sizeof(struct sector)) + 2 * edit->merge.batch +
                          (256u << 10);
        return arena_left() < needed ? ABI_TOO_LARGE : ABI_OK;
}

enum abi_code edit_allocate(struct edit *edit)
{
        bool scan = !(edit->call->flags & ABI_CALL_NO_OWNERSHIP_SCAN);
        enum abi_code code = allocate_clusters(edit);
        if (code || (code = build_table(edit)) || (code = build_directory(edit)) ||
            (code = check_in_place(edit)) || (code = check_header_edit(edit)))
                return code;
        edit->allocator.image = edit->image;
        if ((code = growth_prepare(&edit->allocator, scan, &edit->growth)))
                return code;
        return check_memory(edit);
}
