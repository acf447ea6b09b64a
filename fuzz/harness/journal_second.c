/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_second.h"

#include <string.h>

#include "journal/crc32c.h"

#define SECTOR  512u
#define PAYLOAD 496u

enum answer { ABSENT, PRESENT, DAMAGED, FULL };

struct walk {
        struct second *second;
        const struct journal_made *made;
        uint64_t at; /* file offset of the next record */
        uint64_t previous;
        uint64_t sequence;
        uint32_t step;
        uint32_t batch;
        uint32_t sum;
};

static uint32_t get32(const uint8_t *at)
{
        return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
               (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
        return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static bool zeros(const uint8_t *at, uint64_t length)
{
        while (length && !*at) {
                at++;
                length--;
        }
        return !length;
}

/* ---- sectors ---------------------------------------------------------------------- */

static enum answer sector(const struct journal_made *made, uint64_t index,
                          const uint8_t **bytes)
{
        uint8_t number[8];
        uint64_t room = made->length < made->size ? made->length : made->size;
        if (index >= room / SECTOR)
                return ABSENT; /* behind the end, a hole, or not whole */
        *bytes = made->bytes + index * SECTOR;
        if (zeros(*bytes, SECTOR))
                return ABSENT;
        for (int i = 0; i < 8; i++)
                number[i] = (uint8_t)(index >> 8 * i);
        return crc32c(crc32c(0, *bytes, 508), number, 8) == get32(*bytes + 508) ? PRESENT
                                                                                : DAMAGED;
}

/* ---- header, ending --------------------------------------------------------------- */

static bool damaged(struct second *second)
{
        second->verdict = SECOND_DAMAGED;
        return false;
}

static bool header_is_sound(const uint8_t *bytes)
{
        uint32_t kind = get32(bytes + 72);
        uint32_t length = get32(bytes + 76);
        return get32(bytes + 8) == 1 && !get32(bytes + 12) && kind >= 1 && kind <= 3 &&
               length <= 160 && zeros(bytes + 80 + length, 160 - length) &&
               zeros(bytes + 240, 268) && get64(bytes + 48) <= get64(bytes + 56) &&
               get64(bytes + 56) < 1ull << 63;
}

static bool read_stump(struct second *second, const struct journal_made *made)
{
        uint64_t compared = made->size < 8 ? made->size : 8;
        if (made->size < SECTOR && !zeros(made->bytes, made->size) &&
            memcmp(made->bytes, "instarUJ", compared) != 0)
                return damaged(second);
        return true;
}

static bool read_header(struct second *second, const struct journal_made *made,
                        const struct journal_identity *image)
{
        const uint8_t *bytes;
        enum answer answer = sector(made, 0, &bytes);
        if (answer == ABSENT)
                return read_stump(second, made);
        if (answer == DAMAGED || memcmp(bytes, "instarUJ", 8) != 0)
                return damaged(second);
        if (get32(bytes + 8) > 1) {
                second->verdict = SECOND_NEWER;
                return false;
        }
        if (!header_is_sound(bytes))
                return damaged(second);
        second->has_header = true;
        second->old_size = get64(bytes + 48);
        second->final_size = get64(bytes + 56);
        second->of_image = get32(bytes + 72) == image->kind &&
                           get32(bytes + 76) == image->length &&
                           !memcmp(bytes + 80, image->bytes, 160);
        return true;
}

static bool read_ending(struct second *second, const struct journal_made *made)
{
        const uint8_t *bytes;
        enum answer answer = sector(made, 1, &bytes);
        if (answer == ABSENT)
                return true;
        if (answer == DAMAGED || !second->has_header)
                return damaged(second);
        uint32_t kind = get32(bytes + 8);
        if (memcmp(bytes, "instarUE", 8) != 0 || !kind || kind > 3 || get32(bytes + 12) ||
            memcmp(bytes + 16, made->bytes + 16, 16) != 0 ||
            (kind != 3 && !zeros(bytes + 40, 16)) || !zeros(bytes + 56, 452))
                return damaged(second);
        second->ending = kind == 3 ? 0 : kind;
        second->recovering = kind == 3;
        return true;
}

/* ---- records ---------------------------------------------------------------------- */

/* Payload bytes of this batch, from *at on, into the arena. */
static enum answer take(struct walk *walk, uint64_t *at, uint64_t length)
{
        struct second *second = walk->second;
        while (length) {
                const uint8_t *bytes;
                uint64_t part = PAYLOAD - *at % SECTOR;
                enum answer answer = sector(walk->made, *at / SECTOR, &bytes);
                if (answer != PRESENT)
                        return answer;
                if (memcmp(bytes + PAYLOAD, walk->made->bytes + 16, 8) != 0)
                        return ABSENT;
                if (get32(bytes + 504) != walk->batch)
                        return DAMAGED;
                part = part < length ? part : length;
                memcpy(second->arena + second->arena_used, bytes + *at % SECTOR, part);
                second->arena_used += part;
                length -= part;
                *at += part;
                if (*at % SECTOR == PAYLOAD)
                        *at += SECTOR - PAYLOAD;
        }
        return PRESENT;
}

static bool change_is_sound(const struct second *second, const uint8_t *bytes)
{
        uint64_t offset = get64(bytes + 24);
        uint32_t sectors = get32(bytes + 32);
        uint32_t old = get32(bytes + 40);
        uint64_t most = (1ull << 63) - 1;
        if (!sectors || sectors > (old == 1 ? 64 : 1024) || !old || old > 3 ||
            get32(bytes + 4) > 1 || !get32(bytes + 36) || get32(bytes + 44))
                return false;
        if (offset % SECTOR || offset > most || sectors * SECTOR > most - offset)
                return false;
        return offset + (sectors - 1) * SECTOR < second->final_size &&
               (old != 3 || offset >= second->old_size) &&
               (!get32(bytes + 4) || sectors == 1);
}

/* The whole size, as far as the first 48 bytes (32 where it is no change) tell; 0: the
 * record cannot be. */
static uint64_t record_size(const struct second *second, const uint8_t *bytes)
{
        uint32_t first = get32(bytes + 24);
        uint32_t path = get32(bytes + 28);
        switch (get32(bytes)) {
        case 1:
                if (get32(bytes + 4) || first > 16384 || path > 4096)
                        return 0;
                return 32 + (first + path + 7ull) / 8 * 8;
        case 2:
                if (!change_is_sound(second, bytes))
                        return 0;
                return 48 + get32(bytes + 32) * (get32(bytes + 40) == 1 ? 520ull : 8ull);
        case 3:
                return get32(bytes + 4) || path ? 0 : 56;
        case 4:
                return get32(bytes + 4) ? 0 : 40;
        default:
                return 0;
        }
}

static bool text_is_sound(const uint8_t *bytes, uint64_t size)
{
        uint64_t used = 32ull + get32(bytes + 24) + get32(bytes + 28);
        return zeros(bytes + used, size - used);
}

static bool claim_is_sound(const struct second *second, const uint8_t *bytes)
{
        uint64_t offset = get64(bytes + 24);
        uint64_t length = get64(bytes + 32);
        return length && offset <= second->final_size &&
               length <= second->final_size - offset;
}

/* What is left of the closing record's sector. */
static bool close_is_sound(struct walk *walk, const uint8_t *bytes, uint64_t end)
{
        struct second *second = walk->second;
        uint64_t mark = second->arena_used;
        uint64_t rest = end % SECTOR ? PAYLOAD - end % SECTOR : 0;
        bool sound = get32(bytes + 24) == walk->batch && !get32(bytes + 52) &&
                     take(walk, &end, rest) == PRESENT &&
                     zeros(second->arena + mark, rest);
        second->arena_used = mark;
        return sound;
}

static bool is_in_order(struct walk *walk, const uint8_t *bytes)
{
        if (get64(bytes + 8) != walk->sequence || get64(bytes + 16) != walk->previous ||
            (get32(bytes) == 1) != !walk->sequence)
                return false;
        if (get32(bytes) != 2)
                return true;
        if (get32(bytes + 36) < walk->step)
                return false;
        walk->step = get32(bytes + 36);
        return true;
}

static void fill(const struct walk *walk, const uint8_t *bytes,
                 struct second_record *record)
{
        *record = (struct second_record){.kind = get32(bytes),
                                         .batch = walk->batch,
                                         .position = walk->at,
                                         .sequence = walk->sequence,
                                         .previous = walk->previous,
                                         .offset = get64(bytes + 24)};
        if (record->kind == 4)
                record->length = get64(bytes + 32);
        if (record->kind != 2)
                return;
        record->is_switch = get32(bytes + 4);
        record->sectors = get32(bytes + 32);
        record->step = get32(bytes + 36);
        record->old = get32(bytes + 40);
        record->hashes = bytes + 48;
        if (record->old == 1)
                record->old_bytes = bytes + 48 + 8 * record->sectors;
}

static bool fields_are_sound(struct walk *walk, const uint8_t *bytes, uint64_t size,
                             uint64_t end)
{
        switch (get32(bytes)) {
        case 1:
                return text_is_sound(bytes, size);
        case 3:
                return close_is_sound(walk, bytes, end);
        case 4:
                return claim_is_sound(walk->second, bytes);
        default:
                return true;
        }
}

/* The next record, as it lies in the arena. */
static enum answer read_record(struct walk *walk, struct second_record *record)
{
        struct second *second = walk->second;
        const uint8_t *bytes = second->arena + second->arena_used;
        uint64_t end = walk->at;
        uint64_t size = 32;
        if (second->arena_used + 70000 > sizeof second->arena)
                return FULL;
        enum answer answer = take(walk, &end, size);
        if (answer == PRESENT && get32(bytes) == 2) {
                answer = take(walk, &end, 16);
                size = 48;
        }
        if (answer != PRESENT)
                return answer;
        uint64_t whole = record_size(second, bytes);
        if (!whole)
                return DAMAGED;
        answer = take(walk, &end, whole - size);
        if (answer != PRESENT)
                return answer;
        if (!fields_are_sound(walk, bytes, whole, end) || !is_in_order(walk, bytes))
                return DAMAGED;
        fill(walk, bytes, record);
        walk->sum = crc32c(walk->sum, bytes, get32(bytes) == 3 ? 48 : whole);
        walk->previous = walk->at;
        walk->sequence++;
        walk->at = end;
        return PRESENT;
}

/* ---- batches ---------------------------------------------------------------------- */

static bool add(struct second *second, const struct second_record *record,
                int *switch_record)
{
        if (record->is_switch && *switch_record >= 0)
                return false;
        if (record->is_switch)
                *switch_record = (int)second->count;
        second->records[second->count++] = *record;
        return true;
}

static enum answer read_batch(struct walk *walk)
{
        struct second *second = walk->second;
        struct second_record record = {0};
        int switch_record = second->switch_record;
        uint32_t first = second->count;
        walk->sum = 0;
        do {
                const uint8_t *bytes = second->arena + second->arena_used;
                enum answer answer =
                    second->count == SECOND_RECORDS ? FULL : read_record(walk, &record);
                if (answer == PRESENT && !add(second, &record, &switch_record))
                        answer = DAMAGED;
                if (answer == PRESENT && record.kind == 3 &&
                    (get64(bytes + 32) != second->count - first - 1 ||
                     get32(bytes + 48) != walk->sum))
                        answer = DAMAGED;
                if (answer != PRESENT) {
                        second->count = first;
                        return answer;
                }
        } while (record.kind != 3);
        second->switch_record = switch_record;
        second->closed_batches = walk->batch++;
        walk->at = (walk->at + SECTOR - 1) / SECTOR * SECTOR;
        return PRESENT;
}

/* Behind the closed batches: remains of the next one, and nothing else. */
static bool tail_is_sound(const struct walk *walk, uint64_t first)
{
        for (uint64_t i = first; i * SECTOR < walk->made->length; i++) {
                const uint8_t *bytes;
                enum answer answer = sector(walk->made, i, &bytes);
                if (answer == DAMAGED)
                        return false;
                if (answer == ABSENT ||
                    (walk->second->has_header &&
                     memcmp(bytes + PAYLOAD, walk->made->bytes + 16, 8) != 0))
                        continue;
                if (get32(bytes + 504) != walk->batch)
                        return false;
        }
        return true;
}

bool second_read(struct second *second, const struct journal_made *made,
                 const struct journal_identity *image)
{
        struct walk walk = {.second = second, .made = made, .at = 1024, .batch = 1};
        memset(second, 0, offsetof(struct second, records));
        second->switch_record = -1;
        second->arena_used = 0;
        if (!read_header(second, made, image) || !read_ending(second, made))
                return true;
        uint64_t tail = walk.at;
        enum answer answer = second->has_header ? PRESENT : ABSENT;
        while (answer == PRESENT) {
                tail = walk.at;
                answer = read_batch(&walk);
        }
        if (answer == DAMAGED ||
            (answer == ABSENT && !tail_is_sound(&walk, tail / SECTOR)))
                damaged(second);
        return answer != FULL;
}
