/* SPDX-License-Identifier: MIT */
/*
 * The chain of header extensions.  A damaged length makes one record swallow those behind
 * it, or shows its middle as records.  What the header demands (bitmaps, the LUKS
 * header, the data file's name) is looked for behind each record in turn, until a length
 * is found with which the rest is a chain of known records up to its end.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/rt/bytes.h"
#include "guest/rt/failure.h"

#define MAX_RECORDS 512u
#define LUKS        2u

/* What a chain has. */
enum { HAS_BITMAPS = 1, HAS_CRYPTO = 2, HAS_DATA_FILE = 4 };

static uint32_t end_of(uint32_t offset, uint32_t length)
{
        return offset + QCOW2_EXTENSION_HEADER + ((length + 7) & ~7u);
}

static bool length_is_possible(uint32_t type, uint32_t length)
{
        switch (type) {
        case QCOW2_EXTENSION_BITMAPS:
                return length == QCOW2_BITMAPS_BODY;
        case QCOW2_EXTENSION_CRYPTO:
                return length == 16;
        case QCOW2_EXTENSION_BACKING_FORMAT:
                return length <= 15;
        case QCOW2_EXTENSION_DATA_FILE:
                return length <= 1023;
        default:
                return true;
        }
}

static bool type_is_known(uint32_t type)
{
        return type == QCOW2_EXTENSION_BITMAPS || type == QCOW2_EXTENSION_CRYPTO ||
               type == QCOW2_EXTENSION_BACKING_FORMAT ||
               type == QCOW2_EXTENSION_DATA_FILE ||
               type == QCOW2_EXTENSION_FEATURE_NAMES || type == QCOW2_EXTENSION_PADDING;
}

static unsigned int part_of(uint32_t type)
{
        switch (type) {
        case QCOW2_EXTENSION_BITMAPS:
                return HAS_BITMAPS;
        case QCOW2_EXTENSION_CRYPTO:
                return HAS_CRYPTO;
        case QCOW2_EXTENSION_DATA_FILE:
                return HAS_DATA_FILE;
        default:
                return 0;
        }
}

static unsigned int wanted(const struct repair *r)
{
        const struct header *h = &r->h;
        return (h->autoclear & QCOW2_AUTOCLEAR_BITMAPS ? HAS_BITMAPS : 0u) |
               (h->crypt_method == LUKS ? HAS_CRYPTO : 0u) |
               (h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE ? HAS_DATA_FILE : 0u);
}

/*
 * Walk the chain from `offset`: the parts it has, or false where it does not get to its
 * end.  `strict`: all of its types are known.  `visit` may be NULL.
 */
static bool walk(const struct repair *r, uint32_t offset, bool strict,
                 unsigned int *parts, uint32_t *stopped)
{
        const uint8_t *b = r->header.now;
        uint32_t limit = r->h.extensions_limit;
        *parts = 0;
        for (;;) {
                *stopped = offset;
                if (offset == limit)
                        return true;
                if (limit - offset < QCOW2_EXTENSION_HEADER)
                        return false;
                uint32_t type = load_be32(b + offset);
                uint32_t length = load_be32(b + offset + 4);
                if (length > limit - offset - QCOW2_EXTENSION_HEADER)
                        return false;
                if (type == QCOW2_EXTENSION_END)
                        return !strict || !length;
                if (!length_is_possible(type, length) || (strict && !type_is_known(type)))
                        return false;
                *parts |= part_of(type);
                offset = end_of(offset, length);
                offset = offset < limit ? offset : limit;
        }
}

bool repair_is_chain(const struct repair *r)
{
        uint32_t stopped;
        unsigned int parts;
        return walk(r, r->h.header_length, true, &parts, &stopped) &&
               !(wanted(r) & ~parts);
}

/* How long a text is. */
static uint32_t text_length(const uint8_t *text, uint32_t most)
{
        uint32_t length = 0;
        while (length < most && text[length] > ' ' && text[length] < 0x7f)
                length++;
        return length;
}

/* Another length for the record at `offset` with which the chain, together with the
 * parts in front of it, has all that is wanted.  False if there is none. */
static bool find_length(const struct repair *r, uint32_t offset, unsigned int before,
                        uint32_t *length)
{
        const uint8_t *data = r->header.now + offset + QCOW2_EXTENSION_HEADER;
        uint32_t type = load_be32(r->header.now + offset);
        uint32_t room = r->h.extensions_limit - offset - QCOW2_EXTENSION_HEADER;
        for (uint32_t padded = 0; padded <= room; padded += 8) {
                uint32_t stopped;
                unsigned int parts;
                *length = padded;
                if (type == QCOW2_EXTENSION_BACKING_FORMAT)
                        *length = text_length(data, padded < 15 ? padded : 15);
                if (!length_is_possible(type, *length) || ((*length + 7) & ~7u) != padded)
                        continue;
                if (walk(r, offset + QCOW2_EXTENSION_HEADER + padded, true, &parts,
                         &stopped) &&
                    !(wanted(r) & ~(before | parts | part_of(type))))
                        return true;
        }
        return false;
}

static void set_length(struct repair *r, uint32_t offset, uint32_t length)
{
        uint8_t *record = r->header.now + offset;
        store_be32(record + 4, length);
        repair_tell(ABI_REPAIR_EXTENSION, offset, load_be32(record), length);
}

/* Try every record, from the first to the one where the chain breaks off. */
static bool mend_length(struct repair *r)
{
        uint32_t offset = r->h.header_length;
        uint32_t limit = r->h.extensions_limit;
        unsigned int before = 0;
        for (uint32_t i = 0; i < MAX_RECORDS; i++) {
                uint32_t length;
                if (limit - offset < QCOW2_EXTENSION_HEADER)
                        return false;
                uint32_t type = load_be32(r->header.now + offset);
                if (type == QCOW2_EXTENSION_END)
                        return false;
                if (type_is_known(type) && find_length(r, offset, before, &length)) {
                        set_length(r, offset, length);
                        return true;
                }
                length = load_be32(r->header.now + offset + 4);
                if (length > limit - offset - QCOW2_EXTENSION_HEADER)
                        return false;
                before |= part_of(type);
                offset = end_of(offset, length);
                if (offset > limit)
                        return false;
        }
        return false;
}

/* The chain ends in front of the record that cannot be read. */
static void cut(struct repair *r, uint32_t offset)
{
        uint32_t room = r->h.extensions_limit - offset;
        if (room >= QCOW2_EXTENSION_HEADER) {
                repair_tell(ABI_REPAIR_EXTENSION_REMOVED, offset,
                            load_be32(r->header.now + offset), 0);
                memset(r->header.now + offset, 0, QCOW2_EXTENSION_HEADER);
        } else {
                memset(r->header.now + offset, 0, room);
        }
}

/* QEMU goes by the last bitmaps record: those in front of it are passed over. */
static void drop_doubles(struct repair *r)
{
        uint32_t last = 0;
        uint32_t offset = r->h.header_length;
        uint8_t *b = r->header.now;
        while (r->h.extensions_limit - offset >= QCOW2_EXTENSION_HEADER &&
               load_be32(b + offset) != QCOW2_EXTENSION_END) {
                uint32_t next = end_of(offset, load_be32(b + offset + 4));
                if (load_be32(b + offset) == QCOW2_EXTENSION_BITMAPS) {
                        if (last) {
                                store_be32(b + last, QCOW2_EXTENSION_PADDING);
                                repair_tell(ABI_REPAIR_EXTENSION_REMOVED, last,
                                            QCOW2_EXTENSION_BITMAPS, 0);
                        }
                        last = offset;
                }
                if (next > r->h.extensions_limit)
                        break;
                offset = next;
        }
}

enum abi_code repair_extensions(struct repair *r)
{
        unsigned int parts;
        uint32_t stopped;
        bool whole = walk(r, r->h.header_length, false, &parts, &stopped);
        if (!whole || wanted(r) & ~parts) {
                if (!mend_length(r) && !whole)
                        cut(r, stopped);
                walk(r, r->h.header_length, false, &parts, &stopped);
        }
        if (wanted(r) & ~parts & ~(unsigned int)HAS_BITMAPS)
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_EXTENSION, stopped, 0, 0);
        if (wanted(r) & ~parts & HAS_BITMAPS) {
                uint8_t *field = r->header.now + QCOW2_AUTOCLEAR_FIELD;
                repair_tell(ABI_REPAIR_AUTOCLEAR, QCOW2_AUTOCLEAR_BITMAPS, 0, 0);
                store_be64(field, load_be64(field) & ~(uint64_t)QCOW2_AUTOCLEAR_BITMAPS);
        }
        drop_doubles(r);
        return ABI_OK;
}

/* ---- the bitmaps record --------------------------------------------------------------
 */

/* The offset of a record of the chain, which is sound; 0: there is none. */
static uint32_t find(const struct repair *r, uint32_t wanted_type, uint32_t *end)
{
        const uint8_t *b = r->header.now;
        uint32_t offset = r->h.header_length;
        uint32_t found = 0;
        while (r->h.extensions_limit - offset >= QCOW2_EXTENSION_HEADER &&
               load_be32(b + offset) != QCOW2_EXTENSION_END) {
                if (load_be32(b + offset) == wanted_type)
                        found = offset;
                uint32_t next = end_of(offset, load_be32(b + offset + 4));
                offset = next < r->h.extensions_limit ? next : r->h.extensions_limit;
        }
        *end = offset;
        return found;
}

void repair_find_bitmaps(struct repair *r)
{
        struct header *h = &r->h;
        const uint8_t *body;
        uint32_t end;
        h->bitmaps_record = find(r, QCOW2_EXTENSION_BITMAPS, &end);
        h->has_bitmaps = h->bitmaps_record;
        if (!h->has_bitmaps)
                return;
        body = r->header.now + h->bitmaps_record + QCOW2_EXTENSION_HEADER;
        h->bitmap_count = load_be32(body);
        h->directory_size = load_be64(body + 8);
        h->directory_offset = load_be64(body + 16);
}

/*
 * What follows it moves up, END too, where the first sector has it all, which is one
 * write.  Elsewhere a program could see records of which half has moved: one word makes
 * the record padding then, or END if it is the last.
 */
void repair_drop_bitmaps(struct repair *r)
{
        uint8_t *b = r->header.now;
        uint32_t end;
        uint32_t record = find(r, QCOW2_EXTENSION_BITMAPS, &end);
        if (r->h.version >= 3)
                store_be64(b + QCOW2_AUTOCLEAR_FIELD,
                           load_be64(b + QCOW2_AUTOCLEAR_FIELD) &
                               ~(uint64_t)QCOW2_AUTOCLEAR_BITMAPS);
        if (!record)
                return;
        r->late_record = record;
        if (end > ABI_SECTOR) {
                if (end - record > QCOW2_BITMAPS_RECORD)
                        store_be32(b + record, QCOW2_EXTENSION_PADDING);
                else
                        memset(b + record, 0, QCOW2_EXTENSION_HEADER);
                return;
        }
        memmove(b + record, b + record + QCOW2_BITMAPS_RECORD,
                end - record - QCOW2_BITMAPS_RECORD);
        memset(b + end - QCOW2_BITMAPS_RECORD, 0, QCOW2_BITMAPS_RECORD);
}
