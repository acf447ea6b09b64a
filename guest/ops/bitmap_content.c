/* SPDX-License-Identifier: MIT */
/* First stage of an edit: what the old bits are, and what the edit stops using. */
#include "guest/ops/bitmap_edit.h"
#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

static enum abi_code read_old_table(struct edit *edit)
{
        const struct directory_entry *old = &edit->target.old;
        uint64_t *table;
        edit->old_entries = old->table_entries;
        if (!range_inside(old->table_offset, edit->old_entries * 8,
                          edit->image->file_end))
                return ABI_OK; /* nothing of it can be known */
        table = arena_alloc(edit->old_entries * 8);
        if (!table)
                return ABI_TOO_LARGE;
        read_queue(old->table_offset, table, edit->old_entries * 8);
        read_flush();
        edit->old_table = table;
        return ABI_OK;
}

/* The byte range of the entries that are not zero. */
static void find_nonzero(struct edit *edit)
{
        uint64_t first = 0;
        uint64_t end = edit->old_entries;
        while (first < end && !edit->old_table[first])
                first++;
        while (end > first && !edit->old_table[end - 1])
                end--;
        edit->zero_first = (uint32_t)(first * 8);
        edit->zero_length = (uint32_t)((end - first) * 8);
}

static bool uses_old_content(const struct target *t)
{
        return t->existed &&
               (!t->exists || t->recreated || t->cleared || t->merged || t->reset);
}

static enum abi_code decide_merge(struct edit *edit)
{
        /* A table or data that the file's end cuts off would be merged as clean. */
        if (!edit->old_table ||
            !range_inside(edit->target.old.table_offset, edit->old_entries * 8,
                          edit->image->file_size))
                return fail(ABI_BAD_TABLE, edit->target.old.table_offset, 0, 0, 0);
        enum abi_code code = merge_decide(edit->image, edit->call, &edit->target,
                                          edit->old_table, &edit->merge);
        edit->content_changes = edit->merge.changed;
        return code;
}

/* Data clusters that the old table names go to the claims, or are kept. */
static enum abi_code claim_data(struct edit *edit)
{
        const struct header *h = &edit->image->header;
        enum abi_code code = ABI_OK;
        for (uint64_t i = 0; i < edit->old_entries && !code; i++) {
                uint64_t entry = load_be64(&edit->old_table[i]);
                if (table_entry_kind(h, entry, edit->image->file_end) != TABLE_ENTRY_DATA)
                        continue;
                uint64_t cluster = (entry & QCOW2_OFFSET_MASK) >> h->cluster_bits;
                if (edit->target.merged && edit->merge.decisions[i] == MERGE_KEEP)
                        release_keep(&edit->release, cluster, 1);
                else
                        code = release_claim(&edit->release, cluster, 1);
        }
        return code;
}

static enum abi_code claim_old(struct edit *edit)
{
        const struct header *h = &edit->image->header;
        enum abi_code code = release_begin(edit->image, edit->old_entries + 8,
                                           edit->old_entries, &edit->release);
        if (code || !edit->old_table)
                return code;
        code = release_claim(&edit->release,
                             edit->target.old.table_offset >> h->cluster_bits,
                             table_clusters(h, edit->old_entries));
        return code ? code : claim_data(edit);
}

static enum abi_code claim_nothing(struct edit *edit)
{
        return release_begin(edit->image, 8, 0, &edit->release);
}

enum abi_code edit_read_content(struct edit *edit)
{
        const struct target *t = &edit->target;
        if (t->all_go)
                return edit_claim_all(edit);
        if (!uses_old_content(t))
                return claim_nothing(edit);
        enum abi_code code = read_old_table(edit);
        if (code)
                return code;
        if (t->merged)
                code = decide_merge(edit);
        else
                edit->content_changes = true;
        if (t->reset)
                edit->all_dirty =
                    all_dirty_plan(&edit->image->header, t->granularity_bits);
        if (!code && edit->old_table && !t->merged && !t->reset) {
                find_nonzero(edit);
                edit->content_changes = edit->zero_length != 0;
        }
        if (code || (!edit->content_changes && t->exists && !t->recreated))
                return code ? code : claim_nothing(edit);
        return claim_old(edit);
}
