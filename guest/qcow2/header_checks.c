/* SPDX-License-Identifier: MIT */
/* What a header may say.  Each function tells the first fault that it finds. */
#include "guest/qcow2/header.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

/* A snapshot has an entry of at least so many bytes. */
#define SNAPSHOT_ENTRY_BYTES 40u

static enum abi_code bad(enum abi_header_fault fault, uint64_t value)
{
        return fail(ABI_BAD_HEADER, fault, value, 0, 0);
}

/* QEMU minds no length between multiples of 8, so that comes last. */
enum abi_code header_check_features(const struct header *h)
{
        if (!header_length_fits(h))
                return bad(ABI_HEADER_LENGTH, h->header_length);
        uint64_t unknown = h->incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN;
        if (unknown)
                return fail(ABI_UNKNOWN_INCOMPATIBLE, unknown, 0, 0, 0);
        if (h->refcount_order > 6)
                return bad(ABI_HEADER_REFCOUNT_ORDER, h->refcount_order);
        if (h->header_length % 8)
                return bad(ABI_HEADER_LENGTH, h->header_length);
        return ABI_OK;
}

bool header_length_fits(const struct header *h)
{
        uint32_t shortest =
            h->version == 2 ? QCOW2_HEADER_V2_LENGTH : QCOW2_HEADER_V3_LENGTH;
        return h->header_length >= shortest && h->header_length <= h->cluster_size;
}

/* A type other than zlib needs the bit, and zlib must not have it. */
static bool compression_is_possible(const struct header *h)
{
        bool said = h->incompatible & QCOW2_INCOMPATIBLE_COMPRESSION;
        return h->compression_type <= QCOW2_COMPRESSION_MAX &&
               said == (h->compression_type != 0);
}

enum abi_code header_check_methods(const struct header *h)
{
        if (!compression_is_possible(h))
                return bad(ABI_HEADER_COMPRESSION, h->compression_type);
        if (h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 &&
            h->cluster_bits < QCOW2_MIN_EXTENDED_L2_CLUSTER_BITS)
                return bad(ABI_HEADER_SUBCLUSTERS, h->cluster_size);
        if (h->crypt_method > QCOW2_CRYPT_LUKS)
                return bad(ABI_HEADER_ENCRYPTION, h->crypt_method);
        if (h->autoclear & QCOW2_AUTOCLEAR_RAW_DATA &&
            !(h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE))
                return bad(ABI_HEADER_RAW_DATA, h->autoclear);
        return ABI_OK;
}

enum abi_code header_check_encryption(const struct header *h)
{
        if (h->crypt_method == QCOW2_CRYPT_LUKS && !h->has_crypto)
                return bad(ABI_HEADER_NO_LUKS, h->crypt_method);
        return ABI_OK;
}

/* ---- tables ---------------------------------------------------------------------- */

/* QEMU looks at the place of a table without entries, too. */
static bool table_is_possible(const struct header *h, uint64_t offset, uint64_t bytes)
{
        return offset % h->cluster_size == 0 &&
               range_inside(offset, bytes, bytes ? QCOW2_MAX_OFFSET : INT64_MAX);
}

/* Not in the header, in the file; or without entries. */
static bool table_is_placed(const struct header *h, uint64_t offset, uint64_t bytes,
                            uint64_t file_end)
{
        return !bytes ||
               (offset >= h->cluster_size && range_inside(offset, bytes, file_end));
}

/* Extended L2 entries are twice as long ("L1/L2 tables"). */
uint64_t header_l1_entries(const struct header *h)
{
        uint32_t entry_bits = h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2 ? 4 : 3;
        uint32_t shift = h->cluster_bits + h->cluster_bits - entry_bits;
        return divide_up(h->size, 1ull << shift);
}

static uint64_t l1_bytes(const struct header *h)
{
        return h->l1_size * 8ull;
}

static uint64_t refcount_table_bytes(const struct header *h)
{
        return h->refcount_table_clusters * h->cluster_size;
}

enum abi_code header_check_limits(const struct header *h)
{
        if (refcount_table_bytes(h) > QCOW2_MAX_REFCOUNT_TABLE_BYTES ||
            !table_is_possible(h, h->refcount_table_offset, refcount_table_bytes(h)))
                return bad(ABI_HEADER_REFTABLE, h->refcount_table_offset);
        if (h->size > INT64_MAX)
                return bad(ABI_HEADER_SIZE, h->size);
        if (l1_bytes(h) > QCOW2_MAX_L1_BYTES || h->l1_size < header_l1_entries(h) ||
            !table_is_possible(h, h->l1_offset, l1_bytes(h)))
                return bad(ABI_HEADER_L1, h->l1_offset);
        if (h->snapshot_count > QCOW2_MAX_SNAPSHOTS ||
            !table_is_possible(h, h->snapshots_offset,
                               (uint64_t)h->snapshot_count * SNAPSHOT_ENTRY_BYTES))
                return bad(ABI_HEADER_SNAPSHOTS, h->snapshots_offset);
        return ABI_OK;
}

enum abi_code header_check_places(const struct header *h, uint64_t file_size)
{
        uint64_t end = header_file_end(h, file_size);
        if (!h->refcount_table_clusters ||
            !table_is_placed(h, h->refcount_table_offset, refcount_table_bytes(h), end))
                return bad(ABI_HEADER_REFTABLE, h->refcount_table_offset);
        if (!table_is_placed(h, h->l1_offset, l1_bytes(h), end))
                return bad(ABI_HEADER_L1, h->l1_offset);
        if (!table_is_placed(h, h->snapshots_offset, h->snapshot_count != 0, end))
                return bad(ABI_HEADER_SNAPSHOTS, h->snapshots_offset);
        return ABI_OK;
}

enum abi_code header_check_tables(const struct header *h, uint64_t file_size)
{
        enum abi_code code = header_check_limits(h);
        return code ? code : header_check_places(h, file_size);
}

/* ---- the backing file ------------------------------------------------------------ */

bool header_backing_fits(const struct header *h)
{
        return h->backing_size <= QCOW2_MAX_BACKING_NAME &&
               range_inside(h->backing_offset, h->backing_size, h->cluster_size);
}

/* The name lies behind the extensions, inside the header cluster. */
enum abi_code header_check_backing(struct header *h)
{
        h->extensions_limit = (uint32_t)h->cluster_size;
        if (!h->backing_offset)
                return ABI_OK;
        if (!header_backing_fits(h) || h->backing_offset < h->header_length)
                return bad(ABI_HEADER_BACKING, h->backing_offset);
        h->extensions_limit = (uint32_t)h->backing_offset;
        return ABI_OK;
}
