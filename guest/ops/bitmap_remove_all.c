/* SPDX-License-Identifier: MIT */
/*
 * Every bitmap goes: each table is read once, all in the same small buffer, and what it
 * names is claimed, once for each entry that names it.  A cluster that two bitmaps name
 * is so claimed twice, and not freed.  Of the tables only fingerprints are kept, so that
 * 65535 of them take no more memory than what they name.
 */
#include "guest/ops/bitmap_edit.h"
#include "guest/qcow2/table.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/fingerprint.h"
#include "guest/rt/reader.h"
#include "guest/rt/transaction.h"

/* Tables, or parts of them, that are read at a time. */
#define BATCH_BYTES (256ull << 10)

struct seen_table {
        uint64_t offset;
        uint64_t length;
        uint64_t sum;
};

struct batch {
        struct edit *edit;
        uint8_t *bytes;
        uint64_t used;
        uint64_t first; /* of edit->seen whose bytes these are */
};

static bool is_in_file(const struct image *image, const struct directory_entry *entry)
{
        return range_inside(entry->table_offset, entry->table_entries * 8ull,
                            image->file_end);
}

/* As with one bitmap, an entry that makes no sense claims nothing. */
static enum abi_code claim_data(struct edit *edit, const uint8_t *entries, uint64_t count)
{
        const struct header *h = &edit->image->header;
        enum abi_code code = ABI_OK;
        for (uint64_t i = 0; i < count && !code; i++) {
                uint64_t entry = load_be64(entries + i * 8);
                if (table_entry_kind(h, entry, edit->image->file_end) == TABLE_ENTRY_DATA)
                        code = release_claim(
                            &edit->release,
                            (entry & QCOW2_OFFSET_MASK) >> h->cluster_bits, 1);
        }
        return code;
}

static enum abi_code finish_batch(struct batch *batch)
{
        struct edit *edit = batch->edit;
        const uint8_t *bytes = batch->bytes;
        enum abi_code code = ABI_OK;
        read_flush();
        for (; batch->first < edit->seen_count && !code; batch->first++) {
                struct seen_table *seen = &edit->seen[batch->first];
                seen->sum = fingerprint(bytes, seen->length);
                code = claim_data(edit, bytes, seen->length / 8);
                bytes += seen->length;
        }
        batch->used = 0;
        return code;
}

static enum abi_code read_table(struct batch *batch, const struct directory_entry *entry)
{
        struct edit *edit = batch->edit;
        uint64_t length = entry->table_entries * 8ull;
        enum abi_code code = ABI_OK;
        for (uint64_t done = 0; done < length && !code;) {
                uint64_t left = length - done;
                uint64_t room = BATCH_BYTES - batch->used;
                uint64_t piece = left < room ? left : room;
                edit->seen[edit->seen_count++] =
                    (struct seen_table){entry->table_offset + done, piece, 0};
                read_queue(entry->table_offset + done, batch->bytes + batch->used, piece);
                batch->used += piece;
                done += piece;
                if (batch->used == BATCH_BYTES)
                        code = finish_batch(batch);
        }
        return code;
}

/* How many pieces all tables are read in at the most: one more for each batch's end. */
static uint64_t count_pieces(const struct image *image)
{
        struct directory_entry entry;
        uint64_t count = 1;
        uint64_t bytes = 0;
        for (uint64_t position = 0;
             directory_entry_at(&image->directory, position, &entry);
             position += entry.length) {
                count++;
                bytes += entry.table_entries * 8ull;
        }
        return count + bytes / BATCH_BYTES;
}

static enum abi_code begin(struct batch *batch)
{
        struct edit *edit = batch->edit;
        /* All of this is written to, and little of the claims where tables lie side by
         * side: first what the directory's check has touched already. */
        edit->seen = arena_alloc(count_pieces(edit->image) * sizeof *edit->seen);
        batch->bytes = arena_alloc(BATCH_BYTES);
        if (!edit->seen || !batch->bytes)
                return ABI_TOO_LARGE;
        /* A table and a run of data for each. */
        return release_begin(edit->image, 2ull * edit->image->directory.count + 8, 0,
                             &edit->release);
}

enum abi_code edit_claim_all(struct edit *edit)
{
        const struct image *image = edit->image;
        struct batch batch = {.edit = edit};
        struct directory_entry entry;
        enum abi_code code = begin(&batch);
        for (uint64_t position = 0;
             !code && directory_entry_at(&image->directory, position, &entry);
             position += entry.length) {
                if (!is_in_file(image, &entry))
                        continue; /* nothing of it can be known */
                code = release_claim(&edit->release,
                                     entry.table_offset >> image->header.cluster_bits,
                                     table_clusters(&image->header, entry.table_entries));
                if (!code)
                        code = read_table(&batch, &entry);
        }
        return code ? code : finish_batch(&batch);
}

void edit_assert_all(const struct edit *edit)
{
        for (uint64_t i = 0; i < edit->seen_count; i++)
                transaction_assert_sum(edit->seen[i].offset, edit->seen[i].length,
                                       edit->seen[i].sum);
}
