/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_plan.h"

#include <string.h>

#include "journal/bytes.h"
#include "journal/format.h"

#define MOST_SECTORS 1024u

void journal_plan_fill(uint8_t content[512], uint64_t number)
{
        uint64_t state = number * 0x9e3779b97f4a7c15ull + 0x1234567;
        for (size_t i = 0; i < 512; i += 8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                store_le64(content + i, state);
        }
}

/* ---- one change ------------------------------------------------------------------- */

struct change {
        uint64_t first;
        uint32_t sectors;
        uint32_t step;
        enum journal_old old;
        bool is_switch;
};

static uint64_t sectors_of(uint64_t bytes)
{
        return (bytes + 511) / 512;
}

/* All of it inside the old file, or behind it. */
static bool choose_range(const struct journal_plan *plan,
                         const struct journal_piece *piece, struct change *change)
{
        uint64_t old = sectors_of(plan->input->old_size);
        uint64_t all = sectors_of(plan->input->final_size);
        if (!all)
                return false;
        change->first = piece->where % all;
        uint64_t left = (change->first < old ? old : all) - change->first;
        if (change->sectors > left)
                change->sectors = (uint32_t)left;
        change->old = change->first < old ? JOURNAL_OLD_BYTES : JOURNAL_OLD_BEHIND_END;
        return true;
}

static bool reads_as_zeros(const struct journal_plan *plan, const struct change *change)
{
        return all_zero(plan->made->after.bytes + change->first * 512,
                        change->sectors * (size_t)512);
}

/* What no writer makes. */
static void choose_anything(const struct journal_piece *piece, struct change *change)
{
        change->first = piece->where;
        change->old = (piece->flags & JOURNAL_CHANGE_KIND) / 4;
}

static bool choose(struct journal_plan *plan, const struct journal_piece *piece,
                   struct change *change)
{
        *change = (struct change){.sectors = piece->sectors + 1u,
                                  .step = plan->step + piece->steps % 4,
                                  .is_switch = piece->kind == JOURNAL_PIECE_SWITCH};
        if (piece->flags & JOURNAL_CHANGE_MANY)
                change->sectors *= 8;
        if (change->sectors > MOST_SECTORS)
                change->sectors = MOST_SECTORS;
        if (change->is_switch)
                change->sectors = 1;
        if (!change->step || (change->is_switch && change->step == plan->step))
                change->step++;
        if (piece->flags & JOURNAL_CHANGE_OLD) {
                choose_anything(piece, change);
                plan->made->genuine = false;
        } else if (!choose_range(plan, piece, change)) {
                return false;
        } else if (change->old == JOURNAL_OLD_BYTES && !change->is_switch &&
                   piece->flags & JOURNAL_CHANGE_KIND && reads_as_zeros(plan, change)) {
                change->old = JOURNAL_OLD_ZEROS;
        }
        if (change->old == JOURNAL_OLD_BYTES &&
            change->sectors > CHANGE_MAX_SECTORS_BYTES)
                change->sectors = CHANGE_MAX_SECTORS_BYTES;
        return true;
}

/* ---- its contents ----------------------------------------------------------------- */

/* Nothing is behind the final size.  And as long as the new size may get lost, nothing
 * before the old one changes in the sector that it lies in: such a state would be none
 * that the writer has meant. */
static void respect_ends(const struct journal_plan *plan, uint32_t step, uint64_t sector,
                         const uint8_t *now, uint8_t *content)
{
        uint64_t old = plan->input->old_size;
        uint64_t final = plan->input->final_size;
        if (final < (sector + 1) * 512)
                memset(content + (final - sector * 512), 0, (sector + 1) * 512 - final);
        if (step == plan->first_step && final > old && sector == old / 512)
                memcpy(content, now, old % 512);
}

static void new_content(const struct journal_plan *plan,
                        const struct journal_piece *piece, uint32_t step, uint64_t sector,
                        uint8_t *content)
{
        const uint8_t *now = journal_file_sector(&plan->made->after, sector);
        if (piece->flags & JOURNAL_CHANGE_SAME)
                memcpy(content, now, 512);
        else if (piece->flags & JOURNAL_CHANGE_ZEROS)
                memset(content, 0, 512);
        else if (piece->flags & JOURNAL_CHANGE_CONTENT)
                journal_plan_fill(content, piece->content);
        else
                journal_plan_fill(content, (plan->changes + 1ull) << 32 | sector);
        if (sector < sectors_of(plan->input->final_size))
                respect_ends(plan, step, sector, now, content);
}

static void old_content(const struct journal_plan *plan,
                        const struct journal_piece *piece, uint64_t sector,
                        uint8_t *content)
{
        if (piece->flags & JOURNAL_CHANGE_OLD && piece->value)
                journal_plan_fill(content, piece->value);
        else
                memcpy(content, journal_file_sector(&plan->made->after, sector), 512);
}

/* ---- its record ------------------------------------------------------------------- */

static uint8_t *make_record(struct journal_plan *plan, const struct change *change)
{
        uint64_t each = change->old == JOURNAL_OLD_BYTES ? 520 : 8;
        uint8_t *record = journal_batch_record(&plan->batch, JOURNAL_RECORD_CHANGE,
                                               CHANGE_HASHES + change->sectors * each);
        if (!record)
                return NULL;
        store_le32(record + RECORD_FLAGS, change->is_switch ? CHANGE_FLAG_SWITCH : 0);
        store_le64(record + CHANGE_OFFSET, change->first * 512);
        store_le32(record + CHANGE_SECTORS, change->sectors);
        store_le32(record + CHANGE_STEP, change->step);
        store_le32(record + CHANGE_OLD, change->old);
        return record;
}

static void plan_sector(struct journal_plan *plan, uint32_t step, uint64_t sector,
                        const uint8_t *content)
{
        if (sector >= sectors_of(plan->input->final_size) ||
            plan->count == JOURNAL_PLAN_SECTORS)
                return;
        struct journal_planned *planned = &plan->planned[plan->count++];
        planned->change = plan->changes;
        planned->step = step;
        planned->sector = (uint32_t)sector;
        memcpy(planned->content, content, 512);
        memcpy(plan->made->after.bytes + sector * 512, content, 512);
}

/* The switch changes something and comes last; and what grows is built before it. */
static bool writer_makes(const struct journal_plan *plan,
                         const struct journal_piece *piece, const struct change *change)
{
        bool grows = plan->input->final_size > plan->input->old_size;
        if (plan->switched)
                return false;
        return !change->is_switch ||
               (!(piece->flags & JOURNAL_CHANGE_SAME) && (plan->first_step || !grows));
}

void journal_plan_change(struct journal_plan *plan, const struct journal_piece *piece)
{
        uint8_t content[512];
        struct change change;
        if (!choose(plan, piece, &change))
                return;
        uint8_t *record = make_record(plan, &change);
        if (!record)
                return;
        if (!writer_makes(plan, piece, &change))
                plan->made->genuine = false;
        if (!plan->first_step)
                plan->first_step = change.step;
        uint8_t *old = record + CHANGE_HASHES + change.sectors * 8u;
        for (uint32_t i = 0; i < change.sectors; i++) {
                uint64_t sector = change.first + i;
                if (change.old == JOURNAL_OLD_BYTES)
                        old_content(plan, piece, sector, old + i * 512u);
                new_content(plan, piece, change.step, sector, content);
                store_le64(record + CHANGE_HASHES + i * 8u, journal_hash(content, 512));
                plan_sector(plan, change.step, sector, content);
        }
        plan->step = change.step;
        plan->switched |= change.is_switch;
        plan->changes++;
}

/* ---- what is written -------------------------------------------------------------- */

/* Each step is durable before the next one begins. */
void journal_plan_apply(const struct journal_plan *plan, struct journal_disk *disk)
{
        const struct journal_input *input = plan->input;
        uint32_t applied = input->applied % (plan->closed_changes + 1);
        bool unsynced = input->state & JOURNAL_STATE_UNSYNCED;
        uint32_t last = 0; /* step */
        uint32_t bit = 0;
        for (uint32_t i = 0; i < plan->count; i++)
                if (plan->planned[i].change < applied)
                        last = plan->planned[i].step;
        if (last && input->final_size > input->old_size)
                journal_disk_resize(disk, input->final_size,
                                    !unsynced || last != plan->first_step);
        for (uint32_t i = 0; i < plan->count; i++) {
                const struct journal_planned *planned = &plan->planned[i];
                if (planned->change >= applied)
                        break;
                if (planned->step < last)
                        journal_disk_write(disk, planned->sector, planned->content, true);
                else if (input->sectors >> bit++ % 32 & 1)
                        journal_disk_write(disk, planned->sector, planned->content,
                                           !unsynced);
        }
}
