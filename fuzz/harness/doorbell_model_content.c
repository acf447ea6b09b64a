/* SPDX-License-Identifier: MIT */
/* What the image holds, or will. */
#include <string.h>

#include "fuzz/harness/doorbell_model_internal.h"
#include "journal/journal.h"

static void overlay(const struct model *m, uint64_t offset, uint8_t *bytes,
                    uint64_t length)
{
        const uint32_t others = ABI_CHANGE_FRESH | ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE;

        for (size_t i = 0; i < m->change_count; i++) {
                const struct model_change *change = &m->changes[i];
                uint64_t from = change->offset > offset ? change->offset : offset;
                uint64_t to = change->offset + change->length;

                if (to > offset + length)
                        to = offset + length;
                if (!(change->flags & others) && from < to)
                        memcpy(bytes + (from - offset),
                               m->pool + change->store + (from - change->offset),
                               to - from);
        }
}

/* The image's content, or with `now` unset what it will be when all that waits is
 * applied; NULL where it is not kept. */
static const uint8_t *content(const struct model *m, uint64_t offset, uint64_t length,
                              bool now)
{
        static uint8_t bytes[MODEL_IMAGE];

        if (offset >= MODEL_IMAGE || length > MODEL_IMAGE - offset)
                return NULL;
        memcpy(bytes, m->image.bytes + offset, length);
        if (!now)
                overlay(m, offset, bytes, length);
        return bytes;
}

uint64_t model_fingerprint(const struct model *m, uint64_t offset, uint64_t length,
                           bool now)
{
        const uint8_t *bytes = content(m, offset, length, now);

        return bytes ? journal_hash(bytes, length) : 0;
}

bool model_is_zero(const struct model *m, uint64_t offset, uint64_t length, bool now)
{
        const uint8_t *bytes = content(m, offset, length, now);

        for (uint64_t i = 0; bytes && i < length; i++)
                if (bytes[i])
                        return false;
        return true;
}
