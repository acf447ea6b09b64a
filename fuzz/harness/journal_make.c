/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_make.h"

#include <string.h>

#include "fuzz/harness/journal_plan.h"
#include "journal/bytes.h"
#include "journal/format.h"
#include "journal/sector.h"

static struct journal_plan plan;

/* ---- the image -------------------------------------------------------------------- */

static void make_old_image(const struct journal_input *input, struct journal_file *file)
{
        memset(file, 0, sizeof *file);
        file->size = input->old_size;
        for (uint32_t i = 0; i * 512 < input->old_size; i++)
                if (!(input->holes >> i % 8 & 1))
                        journal_plan_fill(file->bytes + i * 512, 1000000 + i);
        memset(file->bytes + file->size, 0, sizeof file->bytes - file->size);
}

static void start_image(const struct journal_input *input, struct journal_made *made,
                        struct journal_disk *disk)
{
        make_old_image(input, &made->before);
        made->after = made->before;
        made->after.size = input->final_size;
        disk->seen = made->before;
        disk->durable = made->before;
        disk->changes = 0;
        disk->lengthened = false;
        disk->pending_count = 0;
}

/* Another program. */
static void write_foreign(const struct journal_input *input, struct journal_made *made,
                          struct journal_disk *disk)
{
        struct journal_piece piece;
        uint8_t content[512];
        for (size_t i = 0; journal_input_piece(input, i, &piece); i++) {
                if (piece.kind != JOURNAL_PIECE_FOREIGN)
                        continue;
                bool syncs = !(piece.flags & JOURNAL_FOREIGN_UNSYNCED);
                journal_plan_fill(content, piece.content);
                if (piece.flags & JOURNAL_FOREIGN_ZEROS)
                        memset(content, 0, sizeof content);
                journal_disk_write(disk, piece.where % JOURNAL_INPUT_SECTORS, content,
                                   false);
                if (syncs)
                        journal_disk_sync(disk);
                made->genuine = false;
        }
        if (input->size) {
                journal_disk_sync(disk);
                journal_disk_resize(disk, input->size % (JOURNAL_INPUT_MAX_IMAGE + 1),
                                    true);
                made->genuine = false;
        }
}

/* ---- records ---------------------------------------------------------------------- */

static void claim(const struct journal_piece *piece)
{
        uint64_t final = plan.input->final_size;
        uint64_t offset = final ? piece->where % final : 0;
        uint64_t most = final - offset;
        if (!most)
                return;
        uint8_t *record =
            journal_batch_record(&plan.batch, JOURNAL_RECORD_CLAIM, CLAIM_SIZE);
        if (!record)
                return;
        store_le64(record + CLAIM_OFFSET, offset);
        store_le64(record + CLAIM_LENGTH, piece->value % most + 1);
}

static void poke(uint8_t *bytes, uint64_t room, const struct journal_piece *piece)
{
        uint64_t width = 1ull << (piece->flags & JOURNAL_POKE_WIDTH);
        if (width > room)
                return;
        uint64_t value = 0;
        for (uint64_t i = width; i--;)
                value = value << 8 | bytes[i];
        value = (piece->flags & JOURNAL_POKE_ADD ? value : 0) + piece->value;
        for (uint64_t i = 0; i < width; i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
}

/* Mostly the fields that all records have, and those right behind them. */
static void poke_record(const struct journal_piece *piece)
{
        struct journal_batch *batch = &plan.batch;
        uint64_t length = batch->fill - batch->last;
        if (!length)
                return;
        uint64_t at = batch->last + piece->where % length;
        poke(batch->payload + at, batch->fill - at, piece);
        plan.made->genuine = false;
}

static void close_batch(const struct journal_piece *piece)
{
        bool count = piece->flags & JOURNAL_CLOSE_COUNT;
        bool batch = piece->flags & JOURNAL_CLOSE_BATCH;
        journal_batch_close(&plan.batch, count ? piece->value : 0,
                            batch ? (uint32_t)piece->value : 0);
        plan.closed_changes = plan.changes;
        if (count || batch)
                plan.made->genuine = false;
}

static void add_piece(const struct journal_piece *piece)
{
        switch (piece->kind) {
        case JOURNAL_PIECE_CHANGE:
        case JOURNAL_PIECE_SWITCH:
                journal_plan_change(&plan, piece);
                break;
        case JOURNAL_PIECE_CLOSE:
                close_batch(piece);
                break;
        case JOURNAL_PIECE_CLAIM:
                claim(piece);
                break;
        case JOURNAL_PIECE_RECORD:
                poke_record(piece);
                break;
        default:
                break;
        }
}

/* ---- what becomes of the file ----------------------------------------------------- */

static void change_sector(struct journal_made *made, const struct journal_piece *piece)
{
        uint64_t index = piece->where % (made->length / JOURNAL_SECTOR);
        uint8_t *sector = made->bytes + index * JOURNAL_SECTOR;
        if (piece->kind == JOURNAL_PIECE_LOST)
                memset(sector, 0, JOURNAL_SECTOR);
        else
                journal_sector_seal_batch(sector, index, plan.batch.tag + piece->value,
                                          load_le32(sector + SECTOR_BATCH));
}

static void change_bytes(struct journal_made *made, const struct journal_piece *piece)
{
        uint64_t at = (piece->where + piece->content * 65536ull) % made->length;
        uint64_t index = at / JOURNAL_SECTOR;
        poke(made->bytes + at, made->length - at, piece);
        if (piece->flags & JOURNAL_POKE_SEAL)
                journal_sector_seal(made->bytes + index * JOURNAL_SECTOR, index);
}

static void change_size(struct journal_made *made, const struct journal_piece *piece)
{
        made->size = piece->flags & 1 ? piece->value & INT64_MAX : piece->value % 8192;
        if (made->length > made->size)
                memset(made->bytes + made->size, 0, made->length - made->size);
}

static void change_file(struct journal_made *made)
{
        struct journal_piece piece;
        for (size_t i = 0; journal_input_piece(plan.input, i, &piece); i++) {
                if (piece.kind == JOURNAL_PIECE_LOST || piece.kind == JOURNAL_PIECE_STALE)
                        change_sector(made, &piece);
                else if (piece.kind == JOURNAL_PIECE_FILE)
                        change_bytes(made, &piece);
                else if (piece.kind == JOURNAL_PIECE_SIZE)
                        change_size(made, &piece);
        }
}

/* ---- the whole -------------------------------------------------------------------- */

/* What is torn behind the closed batches is as if it had never been written. */
static void describe(struct journal_made *made)
{
        static uint8_t kept[JOURNAL_INPUT_MAX_JOURNAL];
        struct journal_piece piece;
        journal_batch_begin(&plan.batch, made, plan.input);
        for (size_t i = 0; journal_input_piece(plan.input, i, &piece); i++)
                add_piece(&piece);
        uint64_t closed = plan.batch.first * JOURNAL_SECTOR;
        journal_batch_end(&plan.batch);
        memcpy(kept, made->bytes, closed);
        change_file(made);
        if (made->size < closed || memcmp(kept, made->bytes, closed) != 0)
                made->genuine = false;
}

/* Bytes of the input, whose checksums may be made to hold. */
static void take_bytes(struct journal_made *made)
{
        const struct journal_input *input = plan.input;
        uint64_t length = input->rest_length < sizeof made->bytes ? input->rest_length
                                                                  : sizeof made->bytes;
        memcpy(made->bytes, input->rest, length);
        made->length = length;
        made->size = length;
        made->genuine = false;
        if (input->mode != JOURNAL_SEALED)
                return;
        for (uint64_t i = 0; i < length / JOURNAL_SECTOR; i++) {
                uint8_t *sector = made->bytes + i * JOURNAL_SECTOR;
                if (!all_zero(sector, JOURNAL_SECTOR))
                        journal_sector_seal(sector, i);
        }
}

void journal_make(const struct journal_input *input, struct journal_made *made,
                  struct journal_disk *disk)
{
        plan.step = 0;
        plan.first_step = 0;
        plan.switched = false;
        plan.changes = 0;
        plan.closed_changes = 0;
        plan.count = 0;
        plan.input = input;
        plan.made = made;
        made->genuine = true;
        start_image(input, made, disk);
        if (input->mode == JOURNAL_RAW || input->mode == JOURNAL_SEALED)
                take_bytes(made);
        else
                describe(made);
        journal_plan_apply(&plan, disk);
        if (input->state & JOURNAL_STATE_FAILED)
                disk->pending_count = 0;
        else if (input->state & JOURNAL_STATE_POWER)
                journal_disk_lose_power(disk, input->chosen);
        write_foreign(input, made, disk);
}
