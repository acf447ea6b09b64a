/* SPDX-License-Identifier: MIT */
/* What a journal's changes are to the sectors of its image. */
#include "fuzz/harness/journal_second.h"
#include "journal/bytes.h"

#define SECTOR 512u

uint64_t second_hash(const struct second_record *record, uint64_t i)
{
        return load_le64(record->hashes + 8 * i);
}

const uint8_t *second_old(const struct second_record *record, uint64_t i)
{
        static const uint8_t nothing[SECTOR];
        return record->old_bytes ? record->old_bytes + i * SECTOR : nothing;
}

bool second_covers(const struct second_record *record, uint64_t number, uint64_t *i)
{
        uint64_t first = record->offset / SECTOR;
        if (record->kind != 2 || number < first || number - first >= record->sectors)
                return false;
        *i = number - first;
        return true;
}

/* Of a content of this sector: nothing is behind the end. */
static bool ends_at(const uint8_t *content, uint64_t number, uint64_t end)
{
        uint64_t first = number * SECTOR;
        uint64_t inside = end > first ? end - first : 0;
        return inside >= SECTOR || all_zero(content + inside, SECTOR - inside);
}

/* One sector's contents: true if they are a chain. */
static bool is_chain(const struct second *second, uint64_t number, uint64_t size)
{
        static uint64_t contents[SECOND_RECORDS + 1];
        uint32_t count = 0;
        for (uint32_t r = 0; r < second->count; r++) {
                const struct second_record *record = &second->records[r];
                uint64_t i;
                if (!second_covers(record, number, &i))
                        continue;
                const uint8_t *bytes = second_old(record, i);
                uint64_t old = journal_hash(bytes, SECTOR);
                uint64_t new = second_hash(record, i);
                if (!ends_at(bytes, number, count ? size : second->old_size))
                        return false;
                if (!count)
                        contents[count++] = old;
                if (contents[count - 1] != old)
                        return false;
                for (uint32_t k = 0; k + 1 < count; k++)
                        if (contents[k] == new)
                                return false;
                if (new != old)
                        contents[count++] = new;
        }
        return true;
}

static bool switch_is_last(const struct second *second)
{
        for (uint32_t r = 0; second->switch_record >= 0 && r < second->count; r++)
                if (second->records[r].kind == 2 && (int)r > second->switch_record)
                        return false;
        return true;
}

bool second_is_consistent(const struct second *second, uint64_t size)
{
        for (uint64_t number = 0; number < JOURNAL_INPUT_SECTORS; number++)
                if (!is_chain(second, number, size))
                        return false;
        return switch_is_last(second);
}
