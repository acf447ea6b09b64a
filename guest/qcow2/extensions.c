/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/extensions.h"

#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

static enum abi_code bad(const struct extension *record, enum abi_extension_fault fault)
{
        return fail(ABI_BAD_EXTENSION, record->offset, record->type, fault, 0);
}

/* "Bitmaps extension": what QEMU refuses, and a directory outside the file. */
static enum abi_code check_body(const struct header *h, const struct extension *record,
                                uint32_t reserved, uint64_t file_size)
{
        if (reserved)
                return bad(record, ABI_EXTENSION_RESERVED);
        if (!h->bitmap_count)
                return bad(record, ABI_EXTENSION_NO_BITMAPS);
        if (h->bitmap_count > QCOW2_MAX_BITMAPS)
                return bad(record, ABI_EXTENSION_TOO_MANY);
        if (!h->directory_size || h->directory_size > QCOW2_MAX_DIRECTORY_SIZE)
                return bad(record, ABI_EXTENSION_DIRECTORY_SIZE);
        if (h->directory_offset % h->cluster_size ||
            h->directory_offset < h->cluster_size ||
            !range_inside(h->directory_offset, h->directory_size, file_size))
                return bad(record, ABI_EXTENSION_DIRECTORY);
        return ABI_OK;
}

static enum abi_code read_bitmaps(struct header *h, struct header_bytes *bytes,
                                  const struct extension *record, uint64_t file_size)
{
        bool second = h->has_bitmaps;
        if (record->length != QCOW2_BITMAPS_BODY)
                return bad(record, ABI_EXTENSION_LENGTH);
        enum abi_code code = header_need(h, bytes, record->offset + QCOW2_BITMAPS_RECORD);
        if (code)
                return code;
        const uint8_t *body = bytes->bytes + record->offset + QCOW2_EXTENSION_HEADER;
        h->has_bitmaps = true;
        h->bitmaps_record = record->offset;
        h->bitmap_count = load_be32(body);
        h->directory_size = load_be64(body + 8);
        h->directory_offset = load_be64(body + 16);
        uint32_t reserved = load_be32(body + 4);
        bool valid = h->autoclear & QCOW2_AUTOCLEAR_BITMAPS;
        /* Emptying a body that crosses a sector writes the count first. */
        bool emptied = !h->bitmap_count && !valid;
        if (!emptied && (code = check_body(h, record, reserved, file_size)))
                return code;
        return second ? bad(record, ABI_EXTENSION_DUPLICATE) : ABI_OK;
}

/* "Full disk encryption header pointer": offset and length of the LUKS header. */
static enum abi_code read_crypto(struct header *h, struct header_bytes *bytes,
                                 const struct extension *record)
{
        h->has_crypto = true;
        if (h->crypt_method != QCOW2_CRYPT_LUKS)
                return bad(record, ABI_EXTENSION_NOT_LUKS);
        if (record->length != QCOW2_CRYPTO_BODY)
                return bad(record, ABI_EXTENSION_LUKS);
        enum abi_code code = header_need(
            h, bytes, record->offset + QCOW2_EXTENSION_HEADER + QCOW2_CRYPTO_BODY);
        if (code)
                return code;
        const uint8_t *body = bytes->bytes + record->offset + QCOW2_EXTENSION_HEADER;
        h->crypto_offset = load_be64(body);
        h->crypto_length = load_be64(body + 8);
        return h->crypto_offset % h->cluster_size ? bad(record, ABI_EXTENSION_LUKS)
                                                  : ABI_OK;
}

/* Take over what the record says, as far as `h` has fields for it. */
static enum abi_code take(struct header *h, struct header_bytes *bytes,
                          const struct extension *record, uint64_t file_size)
{
        switch (record->type) {
        case QCOW2_EXTENSION_BITMAPS:
                return read_bitmaps(h, bytes, record, file_size);
        case QCOW2_EXTENSION_CRYPTO:
                return read_crypto(h, bytes, record);
        case QCOW2_EXTENSION_BACKING_FORMAT:
                return record->length > QCOW2_MAX_FORMAT
                           ? bad(record, ABI_EXTENSION_TOO_LONG)
                           : ABI_OK;
        default:
                return ABI_OK;
        }
}

/* The record at *position, which is moved behind it; END at the end of the area. */
static enum abi_code next(const struct header *h, struct header_bytes *bytes,
                          uint32_t *position, struct extension *record)
{
        uint32_t offset = *position;
        *record = (struct extension){
            .offset = offset, .type = QCOW2_EXTENSION_END, .fits = true};
        if (offset == h->extensions_limit)
                return ABI_OK;
        /* No room for another record's header. */
        if (h->extensions_limit - offset < QCOW2_EXTENSION_HEADER)
                return bad(record, ABI_EXTENSION_OVERRUN);
        enum abi_code code = header_need(h, bytes, offset + QCOW2_EXTENSION_HEADER);
        if (code)
                return code;
        record->type = load_be32(bytes->bytes + offset);
        record->length = load_be32(bytes->bytes + offset + 4);
        uint32_t room = h->extensions_limit - offset - QCOW2_EXTENSION_HEADER;
        record->fits = record->length <= room;
        if (!record->fits) /* END, too, as QEMU sees it */
                return bad(record, ABI_EXTENSION_OVERRUN);
        if (record->type == QCOW2_EXTENSION_END)
                return ABI_OK;
        uint32_t padded = (record->length + 7) & ~7u;
        *position = offset + QCOW2_EXTENSION_HEADER + (padded < room ? padded : room);
        return ABI_OK;
}

enum abi_code extensions_visit(struct header *h, struct header_bytes *bytes,
                               uint64_t file_size, extension_visitor *visit,
                               void *context)
{
        uint32_t position = h->header_length;
        struct extension record;
        bool has_list = false;
        bool wanted = true;
        while (wanted) {
                enum abi_code code = next(h, bytes, &position, &record);
                bool is_last = code || record.type == QCOW2_EXTENSION_END;
                if (!is_last)
                        code = take(h, bytes, &record, file_size);
                if (code == ABI_TOO_LARGE)
                        return code;
                has_list |= record.type == QCOW2_EXTENSION_BITMAPS;
                if (!code && is_last && !has_list &&
                    h->autoclear & QCOW2_AUTOCLEAR_BITMAPS)
                        code = fail(ABI_NO_AUTOCLEAR_EXTENSION, 0, 0, 0, 0);
                wanted = visit(context, &record, code) && !is_last;
        }
        h->extensions_end = record.offset;
        return ABI_OK;
}

bool extension_is_stale_list(const struct header *h, const struct extension *record)
{
        return record->fits && record->type == QCOW2_EXTENSION_BITMAPS &&
               record->length == QCOW2_BITMAPS_BODY &&
               !(h->autoclear & QCOW2_AUTOCLEAR_BITMAPS);
}

struct reading {
        struct header *header;
        bool edits;
        enum abi_code code; /* the first fault */
};

/* Who only looks for bitmaps minds no other record. */
static bool is_of_others(const struct extension *record)
{
        return record->fits && record->type != QCOW2_EXTENSION_BITMAPS &&
               record->type != QCOW2_EXTENSION_END;
}

static bool read_record(void *context, const struct extension *record,
                        enum abi_code fault)
{
        struct reading *reading = context;
        if (fault && !reading->edits && extension_is_stale_list(reading->header, record))
                reading->header->bitmap_count = 0;
        else if (reading->edits || !is_of_others(record))
                reading->code = fault;
        return !reading->code;
}

enum abi_code extensions_read(struct header *h, struct header_bytes *bytes,
                              uint64_t file_size, bool edits)
{
        struct reading reading = {h, edits, ABI_OK};
        enum abi_code code = extensions_visit(h, bytes, file_size, read_record, &reading);
        return code ? code : reading.code;
}
