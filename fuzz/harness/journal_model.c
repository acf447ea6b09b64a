/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_model.h"

#include <errno.h>
#include <string.h>

#define SECTOR 512u

struct journal_answers journal_model_answers(const struct journal_input *input)
{
        uint32_t proof = input->examiner % 4;
        uint32_t check = input->examiner / 4 % 5;
        return (struct journal_answers){
            .proof_error = proof == 3 ? -ENODEV : 0,
            .proof = (enum recovery_proof)(proof % 3),
            .check_error = check == 4 ? -ENODEV : 0,
            .soundness = (enum recovery_soundness)(check % 4),
        };
}

/* ---- the image against the records ------------------------------------------------ */

static uint64_t hash_of(const struct journal_file *image, uint64_t number)
{
        static uint64_t zeros;
        if (number >= JOURNAL_INPUT_SECTORS && !zeros)
                zeros = journal_hash(journal_file_sector(image, number), SECTOR);
        return number < JOURNAL_INPUT_SECTORS
                   ? journal_hash(journal_file_sector(image, number), SECTOR)
                   : zeros;
}

/* True if one of the records names this content for the sector. */
static bool is_listed(const struct second *second, const struct journal_file *image,
                      uint64_t number, uint64_t hash, bool only_new)
{
        const uint8_t *content = journal_file_sector(image, number);
        for (uint32_t r = 0; r < second->count; r++) {
                const struct second_record *record = &second->records[r];
                uint64_t i;
                if (second_covers(record, number, &i) &&
                    (hash == second_hash(record, i) ||
                     (!only_new && !memcmp(content, second_old(record, i), SECTOR))))
                        return true;
        }
        return false;
}

static bool all_are_listed(const struct second *second, const struct journal_file *image,
                           bool only_new)
{
        for (uint32_t r = 0; r < second->count; r++) {
                const struct second_record *record = &second->records[r];
                for (uint64_t i = 0; i < record->sectors; i++) {
                        uint64_t number = record->offset / SECTOR + i;
                        if (!is_listed(second, image, number, hash_of(image, number),
                                       only_new))
                                return false;
                }
        }
        return true;
}

static bool has_switch(const struct second *second, const struct journal_file *image)
{
        if (second->switch_record < 0)
                return false;
        const struct second_record *record = &second->records[second->switch_record];
        return record->offset < image->size &&
               hash_of(image, record->offset / SECTOR) == second_hash(record, 0);
}

/* Between the old end, or that sector's where a record has it, and the first sector that
 * is said to be new. */
static bool gap_is_clean(const struct second *second, const struct journal_file *image)
{
        uint64_t from = second->old_size;
        uint64_t end = image->size;
        for (uint32_t r = 0; r < second->count; r++) {
                const struct second_record *record = &second->records[r];
                uint64_t i;
                if (record->kind == 4)
                        continue;
                if (record->old == 3 && record->offset < end)
                        end = record->offset;
                if (record->old != 3 && from % SECTOR &&
                    second_covers(record, from / SECTOR, &i))
                        from = (from / SECTOR + 1) * SECTOR;
        }
        for (; from < end; from++)
                if (image->bytes[from])
                        return false;
        return true;
}

static bool has_claims(const struct second *second)
{
        for (uint32_t r = 0; r < second->count; r++)
                if (second->records[r].kind == 4)
                        return true;
        return false;
}

/* ---- undoing ---------------------------------------------------------------------- */

/* What an old content has behind the end of the file is written nowhere. */
static void undo_sector(const struct second *second, uint64_t number, uint8_t *content,
                        uint64_t inside)
{
        for (uint32_t r = second->count; r-- > 0;) {
                const struct second_record *record = &second->records[r];
                uint64_t i;
                if (second_covers(record, number, &i) && record->old != 3 &&
                    journal_hash(content, SECTOR) == second_hash(record, i))
                        memcpy(content, second_old(record, i), inside);
        }
}

static void undo(const struct second *second, struct journal_file *image)
{
        for (uint64_t at = 0; at < image->size; at += SECTOR) {
                uint64_t left = image->size - at;
                undo_sector(second, at / SECTOR, image->bytes + at,
                            left < SECTOR ? left : SECTOR);
        }
        if (image->size > second->old_size)
                journal_file_resize(image, second->old_size);
}

/* ---- the decision ----------------------------------------------------------------- */

static enum recovery_state respect(const struct journal_answers *answers)
{
        if (answers->check_error)
                return RECOVERY_FAILED;
        return answers->soundness == RECOVERY_SOUND ? RECOVERY_SUPERSEDED
                                                    : RECOVERY_CONFLICT;
}

static enum recovery_state complete(const struct second *second,
                                    const struct journal_file *image)
{
        return all_are_listed(second, image, true) ? RECOVERY_COMPLETE
                                                   : RECOVERY_SUPERSEDED;
}

static enum recovery_state decide_hot(const struct second *second,
                                      const struct journal_file *image,
                                      const struct journal_answers *answers)
{
        if (has_switch(second, image))
                return complete(second, image);
        if (image->size < second->old_size || image->size > second->final_size ||
            !all_are_listed(second, image, false) || !gap_is_clean(second, image))
                return respect(answers);
        if (has_claims(second) && answers->proof_error)
                return RECOVERY_FAILED;
        if (has_claims(second) && answers->proof != RECOVERY_PROVED)
                return respect(answers);
        return RECOVERY_UNDONE;
}

/* The first of these that applies says what it is. */
static enum recovery_state decide(const struct journal_input *input,
                                  const struct second *second,
                                  const struct journal_file *image, bool *is_hot)
{
        struct journal_answers answers = journal_model_answers(input);
        bool others = second->has_header && !second->of_image;
        bool discards = input->file & JOURNAL_FILE_DISCARD;
        bool sound = second->verdict == SECOND_SOUND;
        if (input->file & (JOURNAL_FILE_WRITABLE | JOURNAL_FILE_LINKED))
                return discards ? RECOVERY_DISCARDED : RECOVERY_UNTRUSTED;
        if (input->file & JOURNAL_FILE_BUSY)
                return RECOVERY_BUSY;
        if (sound && (second->ending || !second->closed_batches))
                return RECOVERY_REMOVED;
        if (second->verdict != SECOND_NEWER && others)
                return RECOVERY_SET_ASIDE;
        if (discards)
                return RECOVERY_DISCARDED;
        if (!sound)
                return second->verdict == SECOND_NEWER ? RECOVERY_NEWER
                                                       : RECOVERY_DAMAGED;
        *is_hot = true;
        return decide_hot(second, image, &answers);
}

void journal_model(const struct journal_input *input, const struct second *second,
                   const struct journal_file *image, struct journal_model *model)
{
        model->is_hot = false;
        model->state = decide(input, second, image, &model->is_hot);
        model->undoes = model->state == RECOVERY_UNDONE;
        model->end = *image;
        if (model->undoes)
                undo(second, &model->end);
}
