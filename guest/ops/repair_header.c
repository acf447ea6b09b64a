/* SPDX-License-Identifier: MIT */
/*
 * The fixed header: fields without which QEMU does not open the image, where what they
 * must be can be told from what they name.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

enum abi_code repair_header_done(struct repair *r)
{
        struct repair_header_bytes *b = &r->header;
        struct header_bytes bytes;
        enum abi_code code =
            overlay_put_bytes(&r->overlay, OVERLAY_HEADER, 0, b->seen, b->now, b->length);
        if (code)
                return code;
        memcpy(b->seen, b->now, b->length);
        code = header_load(r->call->file_size, &r->h, &bytes);
        if (code || (code = header_check_features(&r->h)) ||
            (code = header_check_backing(&r->h)))
                return code;
        r->h.size -= r->h.size % ABI_SECTOR; /* as QEMU and the checker count */
        repair_find_bitmaps(r);
        return ABI_OK;
}

static void set_field32(struct repair *r, uint32_t offset, uint32_t value)
{
        repair_tell(ABI_REPAIR_HEADER, offset, load_be32(r->header.now + offset), value);
        store_be32(r->header.now + offset, value);
}

static void set_field64(struct repair *r, uint32_t offset, uint64_t value)
{
        repair_tell(ABI_REPAIR_HEADER, offset, load_be64(r->header.now + offset), value);
        store_be64(r->header.now + offset, value);
}

/* ---- refcount table ------------------------------------------------------------------
 */

static bool is_table(const struct repair *r, uint64_t offset, uint64_t bytes)
{
        uint64_t size = r->h.cluster_size;
        return offset % size == 0 && offset >= size &&
               range_inside(offset, bytes, header_file_end(&r->h, r->call->file_size));
}

/* A table without entries stands in until the new one is built. */
static enum abi_code mend_refcount_table(struct repair *r)
{
        uint64_t bytes = r->h.refcount_table_clusters * r->h.cluster_size;
        uint8_t *empty;
        if (r->refcount_order > 6) {
                r->refcount_order = 4;
                r->rebuild = true;
                set_field32(r, QCOW2_REFCOUNT_ORDER_FIELD, r->refcount_order);
        }
        if (bytes && bytes <= QCOW2_MAX_REFCOUNT_TABLE_BYTES &&
            is_table(r, r->h.refcount_table_offset, bytes))
                return ABI_OK;
        uint64_t offset = repair_allocate(r, 1, &empty);
        if (!offset)
                return ABI_TOO_LARGE;
        r->rebuild = true;
        store_be64(r->header.now + QCOW2_REFCOUNT_TABLE_FIELDS, offset);
        store_be32(r->header.now + QCOW2_REFCOUNT_TABLE_FIELDS + 8, 1);
        return ABI_OK;
}

/* ---- L1 table ------------------------------------------------------------------------
 */

static bool is_l1_entry(const struct repair *r, uint64_t entry)
{
        uint64_t offset = entry & QCOW2_OFFSET_MASK;
        return !entry || ((entry & ~(1ull << 63)) == offset && offset &&
                          is_table(r, offset, r->h.cluster_size));
}

/* Entries that may be those of an L1 table; *used counts those that are not zero. */
static bool looks_like_l1(const struct repair *r, uint64_t offset, uint64_t entries,
                          uint64_t *used)
{
        *used = 0;
        if (!is_table(r, offset, entries * 8))
                return false;
        for (uint64_t i = 0; i < entries; i++) {
                uint64_t entry = repair_entry(offset, entries, i);
                if (!is_l1_entry(r, entry))
                        return false;
                *used += entry != 0;
        }
        return true;
}

/* It lies where it seems to, or at the beginning of that cluster, and is as large as the
 * disk needs; but only if what is there can be one. */
static enum abi_code mend_l1(struct repair *r)
{
        const struct header *h = &r->h;
        uint64_t needed = header_l1_entries(h);
        uint64_t offset = h->l1_offset & ~(h->cluster_size - 1);
        uint64_t entries = h->l1_size < needed ? needed : h->l1_size;
        uint64_t used;
        if (h->size > INT64_MAX)
                return fail(ABI_BAD_HEADER, ABI_HEADER_SIZE, h->size, 0, 0);
        if (!entries && !h->l1_offset)
                return ABI_OK;
        if (entries * 8 > QCOW2_MAX_L1_BYTES || !is_table(r, offset, entries * 8))
                entries = needed;
        if (offset == h->l1_offset && entries == h->l1_size &&
            (!entries || is_table(r, offset, entries * 8)))
                return ABI_OK;
        bool moved = offset != h->l1_offset;
        if (entries * 8 > QCOW2_MAX_L1_BYTES ||
            (entries && !looks_like_l1(r, offset, entries, &used)) ||
            (entries && moved && !used))
                return fail(ABI_BAD_HEADER, ABI_HEADER_L1, h->l1_offset, 0, 0);
        if (entries != h->l1_size)
                set_field32(r, QCOW2_L1_FIELDS, (uint32_t)entries);
        if (moved)
                set_field64(r, QCOW2_L1_FIELDS + 4, entries ? offset : 0);
        return ABI_OK;
}

/* ---- snapshot table ------------------------------------------------------------------
 */

/* Where no table can be, there are no snapshots any more. */
static void mend_snapshot_place(struct repair *r)
{
        uint8_t *fields = r->header.now + QCOW2_SNAPSHOT_FIELDS;
        const struct header *h = &r->h;
        bool fits = h->snapshot_count <= QCOW2_MAX_SNAPSHOTS &&
                    is_table(r, h->snapshots_offset, 1);
        if (h->snapshot_count ? fits
                              : h->snapshots_offset % h->cluster_size == 0 &&
                                    h->snapshots_offset <= INT64_MAX)
                return;
        if (h->snapshot_count)
                repair_tell(ABI_REPAIR_SNAPSHOTS_REMOVED, h->snapshot_count,
                            h->snapshots_offset, 0);
        else
                repair_tell(ABI_REPAIR_HEADER, QCOW2_SNAPSHOT_FIELDS + 4,
                            h->snapshots_offset, 0);
        memset(fields, 0, 12);
}

/* ---- features ------------------------------------------------------------------------
 */

static void mend_autoclear(struct repair *r)
{
        uint8_t *field = r->header.now + QCOW2_AUTOCLEAR_FIELD;
        uint64_t allowed = QCOW2_AUTOCLEAR_KNOWN;
        if (r->h.version < 3)
                return;
        if (!(r->h.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE))
                allowed = QCOW2_AUTOCLEAR_BITMAPS;
        uint64_t bits = load_be64(field);
        if (!(bits & ~allowed))
                return;
        repair_tell(ABI_REPAIR_AUTOCLEAR, bits & ~allowed, 0, 0);
        store_be64(field, bits & allowed);
}

/* A header as QEMU writes it, or one without a compression type, behind which a chain of
 * extensions begins. */
static void mend_length(struct repair *r)
{
        static const uint32_t lengths[] = {112, QCOW2_HEADER_V3_LENGTH};
        struct header *h = &r->h;
        if (h->version < 3 ||
            (h->header_length >= QCOW2_HEADER_V3_LENGTH && h->header_length % 8 == 0 &&
             h->header_length <= h->cluster_size))
                return;
        for (int i = 0; i < 2; i++) {
                h->header_length = lengths[i];
                if (header_check_backing(h) == ABI_OK && repair_is_chain(r)) {
                        set_field32(r, QCOW2_HEADER_LENGTH_FIELD, lengths[i]);
                        return;
                }
        }
        h->header_length = load_be32(r->header.now + QCOW2_HEADER_LENGTH_FIELD);
}

enum abi_code repair_header(struct repair *r)
{
        struct header *h = &r->h;
        enum abi_code code = ABI_OK;
        uint32_t order = h->refcount_order;
        h->refcount_order = order > 6 ? 4 : order;
        mend_length(r);
        if ((code = header_check_features(h)) || (code = header_check_backing(h)))
                return code;
        if ((code = mend_refcount_table(r)) || (code = mend_l1(r)))
                return code;
        mend_snapshot_place(r);
        mend_autoclear(r);
        return ABI_OK;
}
