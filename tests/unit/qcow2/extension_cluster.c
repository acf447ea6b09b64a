/* SPDX-License-Identifier: MIT */
#include "tests/unit/qcow2/extension_cluster.h"

#include <stdlib.h>
#include <string.h>

static void put32(uint8_t *at, uint32_t value)
{
        for (unsigned i = 0; i < 4; i++)
                at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put64(uint8_t *at, uint64_t value)
{
        put32(at, (uint32_t)(value >> 32));
        put32(at + 4, (uint32_t)value);
}

static uint32_t get32(const uint8_t *at)
{
        uint32_t value = 0;

        for (unsigned i = 0; i < 4; i++)
                value = value << 8 | at[i];
        return value;
}

static uint64_t get64(const uint8_t *at)
{
        return (uint64_t)get32(at) << 32 | get32(at + 4);
}

void test_body_bytes(const struct bitmaps_body *body, uint8_t bytes[24])
{
        put32(bytes, body->count);
        put32(bytes + 4, 0);
        put64(bytes + 8, body->directory_size);
        put64(bytes + 16, body->directory_offset);
}

/* ---- building ------------------------------------------------------------ */

static uint32_t padded(uint32_t length)
{
        return (length + 7) / 8 * 8;
}

static uint32_t records_size(const struct test_record *records)
{
        uint32_t size = 0;

        for (unsigned i = 0; i < TEST_MAX_RECORDS && records[i].type; i++)
                size += 8 + padded(records[i].length);
        return size;
}

/* The bytes that pad the last record. */
static uint32_t last_padding(const struct test_layout *layout)
{
        const struct test_record *records =
            layout->after[0].type || layout->has_bitmaps ? layout->after : layout->before;
        uint32_t padding = 0;

        for (unsigned i = 0; i < TEST_MAX_RECORDS && records[i].type; i++)
                padding = padded(records[i].length) - records[i].length;
        return padding;
}

static uint32_t put_records(uint8_t *bytes, uint32_t at,
                            const struct test_record *records)
{
        for (unsigned i = 0; i < TEST_MAX_RECORDS && records[i].type; i++) {
                uint32_t length = records[i].length;

                put32(bytes + at, records[i].type);
                put32(bytes + at + 4, length);
                memset(bytes + at + 8, 0, padded(length));
                for (uint32_t k = 0; k < length; k++)
                        bytes[at + 8 + k] = (uint8_t)(0x81 + i * 17 + k * 7 + length);
                at += 8 + padded(length);
        }
        return at;
}

static uint32_t put_bitmaps(const struct test_layout *layout, uint8_t *bytes, uint32_t at)
{
        if (!layout->has_bitmaps)
                return at;
        put32(bytes + at, 0x23852875);
        put32(bytes + at + 4, 24);
        test_body_bytes(&layout->body, bytes + at + 8);
        return at + 32;
}

static void put_fixed(const struct test_layout *layout, struct test_cluster *cluster)
{
        uint8_t *bytes = cluster->bytes;
        struct header *header = &cluster->header;

        for (uint32_t i = 0; i < layout->header_length; i++)
                bytes[i] = (uint8_t)(i * 3 + 1);
        put32(bytes, 0x514649fb);
        put32(bytes + 4, 3);
        put64(bytes + 8, header->backing_offset);
        put32(bytes + 16, header->backing_size);
        put64(bytes + 88, header->autoclear);
        put32(bytes + 100, layout->header_length);
}

static void fill_header(const struct test_layout *layout, struct test_cluster *cluster,
                        uint32_t record, uint32_t end)
{
        struct header *header = &cluster->header;
        uint32_t name = end + (layout->no_end ? 0 : 8) + layout->name_gap;

        if (layout->no_end && layout->name_in_padding)
                name -= last_padding(layout);
        memset(header, 0, sizeof *header);
        header->version = 3;
        header->cluster_size = layout->cluster_size;
        header->cluster_bits = (uint32_t)__builtin_ctz(layout->cluster_size);
        header->header_length = layout->header_length;
        header->extensions_end = layout->no_end && layout->has_name ? name : end;
        header->extensions_limit = layout->has_name ? name : layout->cluster_size;
        header->autoclear = layout->other_autoclear | (layout->valid ? 1 : 0);
        header->backing_offset = layout->has_name ? name : 0;
        header->backing_size = layout->has_name ? layout->name_length : 0;
        if (layout->has_bitmaps) {
                header->has_bitmaps = true;
                header->bitmaps_record = record;
                header->bitmap_count = layout->body.count;
                header->directory_size = layout->body.directory_size;
                header->directory_offset = layout->body.directory_offset;
        }
}

bool test_cluster_build(const struct test_layout *layout, struct test_cluster *cluster)
{
        uint32_t record = layout->header_length + records_size(layout->before);
        uint32_t end =
            record + (layout->has_bitmaps ? 32 : 0) + records_size(layout->after);
        uint8_t *bytes;
        uint32_t at;

        if (layout->no_end && !layout->has_name && end != layout->cluster_size)
                return false;
        fill_header(layout, cluster, record, end);
        at = layout->has_name ? cluster->header.extensions_limit + layout->name_length
                              : end + (layout->no_end ? 0 : 8);
        if (at > layout->cluster_size)
                return false;
        bytes = malloc(layout->cluster_size);
        if (!bytes)
                return false;
        cluster->size = layout->cluster_size;
        cluster->bytes = bytes;
        for (uint32_t i = 0; i < layout->cluster_size; i++)
                bytes[i] = layout->garbage ? (uint8_t)(0xa5 + i * 29 + (i >> 8)) : 0;
        put_fixed(layout, cluster);
        at = put_records(bytes, layout->header_length, layout->before);
        at = put_bitmaps(layout, bytes, at);
        at = put_records(bytes, at, layout->after);
        if (!layout->no_end)
                memset(bytes + at, 0, 8);
        for (uint32_t i = 0; i < cluster->header.backing_size; i++)
                bytes[cluster->header.backing_offset + i] = (uint8_t)('a' + i % 26);
        return true;
}

/* ---- reading ------------------------------------------------------------- */

#define DIGEST_START 0xcbf29ce484222325ull

static uint64_t digest(uint64_t hash, const uint8_t *bytes, uint64_t length)
{
        for (uint64_t i = 0; i < length; i++)
                hash = (hash ^ bytes[i]) * 0x100000001b3ull;
        return hash;
}

static const char *view_bitmaps(struct test_view *view, const uint8_t *record,
                                uint32_t length, uint32_t cluster_size)
{
        const uint8_t *body = record + 8;

        if (view->has_bitmaps)
                return "two bitmaps records";
        if (length != 24)
                return "length of the bitmaps record";
        view->has_bitmaps = true;
        memcpy(view->body, body, 24);
        if (!view->valid)
                return NULL;
        if (get32(body + 4))
                return "reserved field";
        if (!get32(body) || get32(body) > 65535)
                return "number of bitmaps";
        if (get64(body + 16) % cluster_size)
                return "directory offset";
        if (get64(body + 8) > 1024 * 65535)
                return "directory size";
        return NULL;
}

static const char *view_chain(struct test_view *view, const uint8_t *bytes,
                              uint32_t limit, uint32_t cluster_size)
{
        uint32_t at = get32(bytes + 100);

        view->records = DIGEST_START;
        for (;;) {
                uint32_t type, length;
                const char *fault = NULL;

                view->end = at;
                if (at >= limit)
                        return NULL;
                if (at + 8 > limit)
                        return "record header behind the limit";
                type = get32(bytes + at);
                length = get32(bytes + at + 4);
                if (length > limit - at - 8)
                        return "record behind the limit";
                if (!type)
                        return length ? "END with data" : NULL;
                if (type == 0x23852875) {
                        view->record = at;
                        fault = view_bitmaps(view, bytes + at, length, cluster_size);
                } else if (type == QCOW2_EXTENSION_PADDING) {
                        view->padding += 8 + padded(length);
                } else {
                        view->records = digest(view->records, bytes + at, 8 + length);
                }
                if (fault)
                        return fault;
                at += 8 + padded(length);
        }
}

void test_cluster_view(const uint8_t *bytes, uint32_t cluster_size,
                       struct test_view *view)
{
        uint64_t name = get64(bytes + 8);
        uint32_t header_length = get32(bytes + 100);

        memset(view, 0, sizeof *view);
        view->name_length = get32(bytes + 16);
        view->valid = bytes[95] & 1;
        view->other_autoclear = get64(bytes + 88) & ~1ull;
        view->fields = digest(DIGEST_START, bytes, 8);
        view->fields = digest(view->fields, bytes + 16, 72);
        view->fields = digest(view->fields, bytes + 96, header_length - 96);
        if (name > cluster_size || view->name_length > 1023 ||
            view->name_length > cluster_size - name) {
                view->fault = "backing file name";
                return;
        }
        view->name_offset = (uint32_t)name;
        view->name = digest(DIGEST_START, bytes + name, name ? view->name_length : 0);
        view->fault =
            view_chain(view, bytes, name ? (uint32_t)name : cluster_size, cluster_size);
        if (!view->fault && view->valid && !view->has_bitmaps)
                view->fault = "autoclear bit without a bitmaps record";
}
