/* SPDX-License-Identifier: MIT */
/* The header cluster: the fixed header, header extensions, the backing file's name. */
#include <string.h>

#include "guest/ops/info_look.h"
#include "guest/qcow2/extensions.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/report.h"

/* A data file's name may be as long as the cluster has room, but no path is longer. */
#define MAX_DATA_FILE 4095u

/* ---- reading --------------------------------------------------------------------- */

static struct info_text text_of(const struct extension *record, uint32_t limit)
{
        return (struct info_text){record->offset + QCOW2_EXTENSION_HEADER,
                                  record->length < limit ? record->length : limit};
}

static void take_data_file(struct info *info, const struct extension *record)
{
        if (record->length > MAX_DATA_FILE)
                info_note(info,
                          fail(ABI_BAD_EXTENSION, record->offset, record->type,
                               ABI_EXTENSION_TOO_LONG, 0),
                          NULL);
        info->data_file = text_of(record, MAX_DATA_FILE);
}

static bool take(void *context, const struct extension *record, enum abi_code fault)
{
        struct info *info = context;
        info_note(info, fault, NULL);
        info->extensions_unknown = !record->fits;
        if (fault && record->type == QCOW2_EXTENSION_BITMAPS)
                info->list_unannounced = !info->image.header.bitmap_count;
        if (record->fits && record->type == QCOW2_EXTENSION_BACKING_FORMAT)
                info->backing_format = text_of(record, QCOW2_MAX_FORMAT);
        if (record->fits && record->type == QCOW2_EXTENSION_DATA_FILE)
                take_data_file(info, record);
        return true;
}

static void check_tables(struct info *info)
{
        enum abi_code code =
            header_check_tables(&info->image.header, info->image.file_size);
        uint64_t detail[4];
        info_note(info, code, NULL);
        failure_details(detail);
        info->snapshots_unknown = code && detail[0] == ABI_HEADER_SNAPSHOTS;
}

static void check_features(struct info *info)
{
        enum abi_code code = header_check_features(&info->image.header);
        uint64_t detail[4];
        info_note(info, code, NULL);
        failure_details(detail);
        info->extensions_unknown =
            code == ABI_BAD_HEADER && detail[0] == ABI_HEADER_LENGTH;
}

static void check_backing(struct info *info)
{
        struct header *h = &info->image.header;
        enum abi_code code = header_check_backing(h);
        info_note(info, code, NULL);
        if (!code && h->backing_offset)
                info->backing =
                    (struct info_text){(uint32_t)h->backing_offset, h->backing_size};
}

enum abi_code info_read_header(struct info *info)
{
        struct image *image = &info->image;
        image->file_size = info->call->file_size;
        enum abi_code code =
            header_load(image->file_size, &image->header, &image->header_bytes);
        if (code)
                return code;
        image->file_end = header_file_end(&image->header, image->file_size);
        check_features(info);
        info_note(info, header_check_methods(&image->header), NULL);
        check_tables(info);
        check_backing(info);
        if (!info->extensions_unknown)
                code = extensions_visit(&image->header, &image->header_bytes,
                                        image->file_size, take, info);
        if (!code && !info->extensions_unknown)
                info_note(info, header_check_encryption(&image->header), NULL);
        return code;
}

/* ---- reporting ------------------------------------------------------------------- */

/* Have it in memory; a name that ends at its first byte is none. */
static enum abi_code fetch(struct info *info, struct info_text *text)
{
        struct image *image = &info->image;
        if (!text->length)
                return ABI_OK;
        enum abi_code code = header_need(&image->header, &image->header_bytes,
                                         text->offset + text->length);
        if (!code && !image->header_bytes.bytes[text->offset])
                text->length = 0;
        return code;
}

/* QEMU's rule: neither absolute nor with a protocol, which is what stands in front of a
 * colon that comes before any slash. */
static bool is_relative(const uint8_t *name, uint32_t length)
{
        for (uint32_t i = 0; i < length && name[i]; i++) {
                if (name[i] == ':')
                        return false;
                if (name[i] == '/')
                        return i > 0;
        }
        return true;
}

bool info_bitmaps_are_stale(const struct info *info)
{
        return info->image.header.has_bitmaps &&
               !(info->image.header.autoclear & QCOW2_AUTOCLEAR_BITMAPS);
}

static uint32_t flags_of(const struct info *info)
{
        const struct header *h = &info->image.header;
        const uint8_t *bytes = info->image.header_bytes.bytes;
        uint32_t flags = 0;
        if (info->backing.length)
                flags |= ABI_IMAGE_BACKING;
        if (info->backing.length &&
            is_relative(bytes + info->backing.offset, info->backing.length))
                flags |= ABI_IMAGE_BACKING_RELATIVE;
        if (info->backing_format.length)
                flags |= ABI_IMAGE_BACKING_FORMAT;
        if (info->data_file.offset)
                flags |= ABI_IMAGE_DATA_FILE_NAME;
        if (h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
                flags |= ABI_IMAGE_DATA_FILE;
        if (h->autoclear & QCOW2_AUTOCLEAR_RAW_DATA)
                flags |= ABI_IMAGE_DATA_FILE_RAW;
        if (h->crypt_method)
                flags |= ABI_IMAGE_ENCRYPTED;
        if (info_bitmaps_are_stale(info))
                flags |= ABI_IMAGE_STALE;
        if (info->call->flags & ABI_CALL_COUNT)
                flags |= ABI_IMAGE_COUNTED;
        return flags;
}

static uint8_t *put_text(const struct info *info, uint8_t *to,
                         const struct info_text *text)
{
        if (text->length)
                memcpy(to, info->image.header_bytes.bytes + text->offset, text->length);
        return to + text->length;
}

enum abi_code info_report_image(struct info *info)
{
        const struct header *h = &info->image.header;
        enum abi_code code;
        if ((code = fetch(info, &info->backing)) ||
            (code = fetch(info, &info->backing_format)) ||
            (code = fetch(info, &info->data_file)))
                return code;
        struct abi_report_image *report = report_add(
            ABI_REPORT_IMAGE, sizeof *report + info->backing.length +
                                  info->backing_format.length + info->data_file.length);
        *report = (struct abi_report_image){
            .version = h->version,
            .flags = flags_of(info),
            .size = h->size - h->size % ABI_SECTOR,
            .cluster_size = h->cluster_size,
            .refcount_bits = h->refcount_order <= 6 ? 1u << h->refcount_order : 0,
            .crypt_method = h->crypt_method,
            .compression_type = h->compression_type,
            .incompatible = h->incompatible,
            .compatible = h->compatible,
            .autoclear = h->autoclear,
            .backing_length = info->backing.length,
            .backing_format_length = info->backing_format.length,
            .data_file_length = info->data_file.length,
        };
        uint8_t *text = (uint8_t *)(report + 1);
        text = put_text(info, text, &info->backing);
        text = put_text(info, text, &info->backing_format);
        put_text(info, text, &info->data_file);
        return ABI_OK;
}
