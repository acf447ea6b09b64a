/* SPDX-License-Identifier: MIT */
/*
 * Reading the header cluster.  The first page holds everything in all but odd
 * images, so one read of it comes first; the rest of the cluster is read only as
 * far as the extensions reach.
 */
#include "guest/qcow2/header.h"

#include <string.h>

#include "guest/qcow2/extensions.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"

#define FIRST_READ 4096u
#define MIN_HEADER 24u /* magic, version, backing name, cluster_bits */

static enum abi_code bad(enum abi_header_fault fault, uint64_t value)
{
        return fail(ABI_BAD_HEADER, fault, value, 0, 0);
}

uint64_t header_file_end(const struct header *header, uint64_t file_size)
{
        uint64_t end;
        if (!checked_round_up(file_size, header->cluster_size, &end))
                return file_size;
        return end;
}

uint64_t header_disk_size(const struct header *header)
{
        return header->size - header->size % ABI_SECTOR;
}

bool header_is_stale(const struct header *header)
{
        return header->has_bitmaps && header->bitmap_count &&
               !(header->autoclear & QCOW2_AUTOCLEAR_BITMAPS);
}

enum abi_code header_need(const struct header *header, struct header_bytes *bytes,
                          uint32_t end)
{
        if (end <= bytes->length)
                return ABI_OK;
        uint32_t cluster_size = (uint32_t)header->cluster_size;
        uint32_t wanted = (end + FIRST_READ - 1) / FIRST_READ * FIRST_READ;
        if (wanted > cluster_size)
                wanted = cluster_size;
        if (wanted > bytes->capacity) {
                uint8_t *larger = arena_alloc(cluster_size);
                if (!larger)
                        return ABI_TOO_LARGE;
                memcpy(larger, bytes->bytes, bytes->length);
                bytes->bytes = larger;
                bytes->capacity = cluster_size;
        }
        read_queue(bytes->length, bytes->bytes + bytes->length, wanted - bytes->length);
        read_flush();
        bytes->length = wanted;
        return ABI_OK;
}

/* Fields that version 2 has too. */
static void load_fields(const uint8_t *b, struct header *h)
{
        h->version = load_be32(b + 4);
        h->backing_offset = load_be64(b + 8);
        h->backing_size = load_be32(b + 16);
        h->cluster_bits = load_be32(b + 20);
        h->size = load_be64(b + 24);
        h->crypt_method = load_be32(b + 32);
        h->l1_size = load_be32(b + 36);
        h->l1_offset = load_be64(b + 40);
        h->refcount_table_offset = load_be64(b + 48);
        h->refcount_table_clusters = load_be32(b + 56);
        h->snapshot_count = load_be32(b + 60);
        h->snapshots_offset = load_be64(b + 64);
}

/* What version 3 added; version 2 is read as QEMU reads it. */
static void load_v3_fields(const uint8_t *b, struct header *h)
{
        h->refcount_order = 4;
        h->header_length = QCOW2_HEADER_V2_LENGTH;
        if (h->version == 2)
                return;
        h->incompatible = load_be64(b + 72);
        h->compatible = load_be64(b + 80);
        h->autoclear = load_be64(b + 88);
        h->refcount_order = load_be32(b + 96);
        h->header_length = load_be32(b + 100);
        if (h->header_length > QCOW2_COMPRESSION_TYPE)
                h->compression_type = b[QCOW2_COMPRESSION_TYPE];
}

/* Magic, version and geometry: what must be right before anything else is read. */
static enum abi_code check_basics(const uint8_t *b, uint64_t file_size, struct header *h)
{
        if (file_size < 4 || load_be32(b) != QCOW2_MAGIC)
                return ABI_NOT_QCOW2;
        if (file_size < MIN_HEADER)
                return bad(ABI_HEADER_SHORT, file_size);
        load_fields(b, h);
        if (h->version != 2 && h->version != 3)
                return bad(ABI_HEADER_VERSION, h->version);
        if (file_size <
            (h->version == 2 ? QCOW2_HEADER_V2_LENGTH : QCOW2_HEADER_V3_LENGTH))
                return bad(ABI_HEADER_SHORT, file_size);
        if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS ||
            h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
                return bad(ABI_HEADER_CLUSTER_BITS, h->cluster_bits);
        h->cluster_size = 1ull << h->cluster_bits;
        return ABI_OK;
}

/* What must be right before anything is written. */
static enum abi_code check_editable(const struct header *h)
{
        if (h->incompatible & QCOW2_INCOMPATIBLE_CORRUPT)
                return ABI_CORRUPT;
        if (h->incompatible & QCOW2_INCOMPATIBLE_DIRTY)
                return ABI_DIRTY;
        if (h->refcount_order != 4)
                return fail(ABI_REFCOUNT_WIDTH, 1ull << h->refcount_order, 0, 0, 0);
        return ABI_OK;
}

enum abi_code header_load(uint64_t file_size, struct header *h,
                          struct header_bytes *bytes)
{
        memset(h, 0, sizeof *h);
        bytes->bytes = arena_alloc(FIRST_READ);
        if (!bytes->bytes)
                return ABI_TOO_LARGE;
        bytes->length = FIRST_READ;
        bytes->capacity = FIRST_READ;
        read_queue(0, bytes->bytes, FIRST_READ);
        read_flush();
        enum abi_code code = check_basics(bytes->bytes, file_size, h);
        if (code)
                return code;
        if (bytes->length > h->cluster_size)
                bytes->length = (uint32_t)h->cluster_size;
        load_v3_fields(bytes->bytes, h);
        return ABI_OK;
}

/* What is behind header_load(). */
static enum abi_code read_rest(uint64_t file_size, struct header *h,
                               struct header_bytes *bytes)
{
        enum abi_code code = header_check_features(h);
        if (code || (code = check_editable(h)) || (code = header_check_methods(h)) ||
            (code = header_check_tables(h, file_size)) ||
            (code = header_check_backing(h)) ||
            (code = extensions_read(h, bytes, file_size, true)))
                return code;
        return header_check_encryption(h);
}

enum abi_code header_read(uint64_t file_size, struct header *h,
                          struct header_bytes *bytes)
{
        enum abi_code code = header_load(file_size, h, bytes);
        if (!code && h->version == 2)
                code = ABI_QCOW2_V2;
        return code ? code : read_rest(file_size, h, bytes);
}

enum abi_code header_read_any(uint64_t file_size, struct header *h,
                              struct header_bytes *bytes)
{
        enum abi_code code = header_load(file_size, h, bytes);
        return code ? code : read_rest(file_size, h, bytes);
}

enum abi_code header_look(uint64_t file_size, struct header *h,
                          struct header_bytes *bytes)
{
        enum abi_code code = header_load(file_size, h, bytes);
        if (code || (code = header_check_features(h)) || (code = header_check_backing(h)))
                return code;
        return extensions_read(h, bytes, file_size, false);
}
