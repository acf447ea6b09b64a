/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/header_patch.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/transaction.h"

void header_assert(const struct image *image)
{
        const struct header *h = &image->header;
        uint64_t end = (uint64_t)h->extensions_end + QCOW2_EXTENSION_HEADER;
        if (h->backing_offset && h->backing_offset + h->backing_size > end)
                end = h->backing_offset + h->backing_size;
        if (end > image->header_bytes.length)
                end = image->header_bytes.length;
        transaction_assert(0, image->header_bytes.bytes, end);
}

enum abi_code header_patch(struct image *image, uint32_t step, uint32_t flags,
                           uint32_t offset, const void *bytes, uint32_t length)
{
        uint8_t *copy = arena_alloc(length);
        if (!copy || offset > image->header_bytes.length ||
            length > image->header_bytes.length - offset)
                return copy ? ABI_OVERFLOW : ABI_TOO_LARGE;
        memcpy(copy, bytes, length);
        transaction_write(step, flags, offset, image->header_bytes.bytes + offset, copy,
                          length);
        memcpy(image->header_bytes.bytes + offset, bytes, length);
        return ABI_OK;
}

enum abi_code header_clear_autoclear(struct image *image, uint32_t step)
{
        struct header *h = &image->header;
        if (!(h->autoclear & ~(uint64_t)QCOW2_AUTOCLEAR_KNOWN))
                return ABI_OK;
        h->autoclear &= QCOW2_AUTOCLEAR_KNOWN;
        uint8_t field[8];
        store_be64(field, h->autoclear);
        enum abi_code code =
            header_patch(image, step, 0, QCOW2_AUTOCLEAR_FIELD, field, sizeof field);
        if (!code)
                transaction_apply(step, 0);
        return code;
}
