/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/doorbell_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"

#define PAGE 4096u

/* Of a request that the host has accepted. */
#define ONLY(condition)                                                                  \
        do {                                                                             \
                if (m->judges)                                                           \
                        MUST(condition);                                                 \
        } while (0)

_Noreturn void model_finding(const char *what)
{
        fprintf(stderr, "finding: not so: %s\n", what);
        abort();
}

/* ---- the file ------------------------------------------------------------------------
 */

/* The part of [offset, +*length) that is kept; what is behind it is cut off. */
static bool kept(uint64_t offset, uint64_t *length)
{
        if (offset >= MODEL_IMAGE)
                return false;
        if (*length > MODEL_IMAGE - offset)
                *length = MODEL_IMAGE - offset;
        return *length != 0;
}

static void file_resize(struct model_file *file, uint64_t size)
{
        uint64_t behind = UINT64_MAX;

        if (size < file->extent && kept(size, &behind))
                memset(file->bytes + size, 0, file->extent - size);
        file->size = size;
}

/* NULL bytes: zeros. */
static void file_write(struct model_file *file, uint64_t offset, const uint8_t *bytes,
                       uint64_t length)
{
        if (!kept(offset, &length))
                return;
        if (bytes)
                memcpy(file->bytes + offset, bytes, length);
        else
                memset(file->bytes + offset, 0, length);
        if (offset + length > file->extent)
                file->extent = offset + length;
}

static void file_copy(struct model_file *to, const struct model_file *from)
{
        if (to->extent > from->extent)
                memset(to->bytes + from->extent, 0, to->extent - from->extent);
        memcpy(to->bytes, from->bytes, from->extent);
        to->extent = from->extent;
        to->size = from->size;
}

static void fill_page(uint8_t *page, size_t length, size_t number, uint8_t seed)
{
        if (seed >> number % 8 & 1)
                return; /* a hole */
        for (size_t i = 0; i < length; i++)
                page[i] = (uint8_t)(1 + (seed + number * 7 + i / 16) % 255);
}

void model_start(struct model *m, uint64_t size, uint8_t seed, bool device)
{
        if (!m->memory[ABI_ARENA_BASE] && !m->old.extent)
                doorbell_guest_start_copy(m->memory);
        doorbell_guest_reset_copy(m->memory);
        file_resize(&m->image, 0);
        m->image.extent = size;
        m->image.size = size;
        for (size_t at = 0; at < size; at += PAGE)
                fill_page(m->image.bytes + at, size - at < PAGE ? size - at : PAGE,
                          at / PAGE, seed);
        file_copy(&m->old, &m->image);
        m->full = m->open = m->committed = m->prepares = m->resized = false;
        m->ambiguous = false;
        m->log_count = 0;
        m->device = device;
        m->switch_step = 0;
        m->final_size = size;
        m->change_count = 0;
        m->pool_used = 0;
}

/* ---- looking ------------------------------------------------------------------------
 */

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

static bool is_kept(const struct abi_request *r)
{
        return r->offset < MODEL_IMAGE && r->length <= MODEL_IMAGE - r->offset;
}

static bool is_zero(const struct model *m, uint64_t offset, uint64_t length, bool now)
{
        const uint8_t *bytes = content(m, offset, length, now);

        for (uint64_t i = 0; bytes && i < length; i++)
                if (bytes[i])
                        return false;
        return true;
}

/* What a fresh change may not have had content in: the sectors of the old file. */
static bool was_fresh(const struct model *m, const struct abi_request *r)
{
        uint64_t line = (m->old.size + ABI_SECTOR - 1) / ABI_SECTOR * ABI_SECTOR;
        uint64_t inside = line > r->offset ? line - r->offset : 0;

        return is_zero(m, r->offset, inside < r->length ? inside : r->length, false);
}

static void accept_hole(struct model *m, const struct abi_request *r)
{
        ONLY(r->value <= 1);
        if (!r->value)
                return;
        ONLY(r->length && r->length <= m->image.size &&
             r->offset <= m->image.size - r->length);
        ONLY(is_zero(m, r->offset, r->length, true));
}

/* ---- the guest's memory
 * ----------------------------------------------------------------
 */

static void accept_read(struct model *m, const struct abi_request *r)
{
        uint64_t length = r->length;

        ONLY(doorbell_guest_range(r->addr, r->length));
        if (!doorbell_guest_range(r->addr, r->length))
                return;
        if (!m->judges)
                doorbell_guest_touch(r->addr, r->length);
        memset(m->memory + r->addr, 0, r->length);
        if (kept(r->offset, &length))
                memcpy(m->memory + r->addr, m->image.bytes + r->offset, length);
}

void model_poke(struct model *m, uint64_t address, uint64_t length, uint16_t value)
{
        if (!m->judges)
                doorbell_guest_touch(address, length);
        doorbell_guest_fill(m->memory + address, length, value);
}

/* ---- the transaction
 * ------------------------------------------------------------------- */

static void accept_begin(struct model *m, const struct abi_request *r)
{
        ONLY(!m->open && !m->change_count);
        ONLY(!m->committed || m->prepares);
        ONLY(r->offset == m->image.size && r->length >= r->offset);
        ONLY(r->length - r->offset <= ABI_MAX_GROWTH && r->length <= INT64_MAX);
        ONLY(!m->device || r->length == r->offset);
        file_copy(&m->old, &m->image);
        m->open = true;
        m->committed = false;
        m->prepares = r->flags & ABI_BEGIN_PREPARES;
        m->resized = false;
        m->ambiguous = false;
        m->switch_step = 0;
        m->final_size = r->length;
        m->log_count = 0;
        m->pool_used = 0;
}

static void accept_assert(struct model *m, const struct abi_request *r)
{
        ONLY(m->open);
        if (is_kept(r))
                ONLY(r->value == model_fingerprint(m, r->offset, r->length, true));
}

static void accept_claim(struct model *m, const struct abi_request *r)
{
        ONLY(m->open && r->length && r->length <= m->final_size &&
             r->offset <= m->final_size - r->length);
}

/* What a declaration has to be like. */
static void judge_change(const struct model *m, const struct abi_request *r)
{
        const uint32_t release = ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE;
        bool overwrites = !(r->flags & (release | ABI_CHANGE_FRESH));

        ONLY(m->open || m->committed);
        ONLY(r->step && r->step <= ABI_MAX_STEP);
        ONLY(r->offset <= m->final_size && r->length <= m->final_size - r->offset);
        ONLY(r->length || r->flags & ABI_CHANGE_TRUNCATE);
        ONLY(!(r->flags & release) || m->committed);
        ONLY(r->flags & release || doorbell_guest_range(r->addr, r->length));
        ONLY(!overwrites || r->length < ABI_MAX_OVERWRITE);
        ONLY(!m->switch_step || !m->open);
        if (r->flags & ABI_CHANGE_SWITCH)
                ONLY(m->open && overwrites &&
                     r->offset / ABI_SECTOR == (r->offset + r->length - 1) / ABI_SECTOR);
        if (overwrites && is_kept(r))
                ONLY(r->value == model_fingerprint(m, r->offset, r->length, false));
        if (r->flags & ABI_CHANGE_FRESH && m->open)
                ONLY(was_fresh(m, r));
}

/* Lay the change over the sector at `offset`. */
static void replay(const struct model *m, const struct model_change *change,
                   uint64_t offset, uint8_t sector[ABI_SECTOR])
{
        uint64_t end = change->offset + change->length;
        uint64_t from = change->offset > offset ? change->offset : offset;
        uint64_t to = end < offset + ABI_SECTOR ? end : offset + ABI_SECTOR;

        if (from < to)
                memcpy(sector + (from - offset),
                       m->pool + change->store + (from - change->offset), to - from);
}

/* The switch was declared last: does it give its sector a content that this had before?
 */
static bool is_ambiguous(const struct model *m)
{
        uint64_t offset = m->log[m->log_count - 1].offset / ABI_SECTOR * ABI_SECTOR;
        uint8_t last[ABI_SECTOR];
        uint8_t before[ABI_SECTOR];

        if (offset >= MODEL_IMAGE)
                return true;
        memcpy(last, m->old.bytes + offset, ABI_SECTOR);
        memcpy(before, m->old.bytes + offset, ABI_SECTOR);
        for (size_t i = 0; i < m->log_count; i++)
                replay(m, &m->log[i], offset, last);
        for (size_t i = 0; i < m->log_count; i++) {
                if (memcmp(before, last, ABI_SECTOR) == 0)
                        return true;
                replay(m, &m->log[i], offset, before);
        }
        return false;
}

static void accept_change(struct model *m, const struct abi_request *r)
{
        uint64_t length = r->length;
        bool writes = !(r->flags & (ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE));

        judge_change(m, r);
        if (!writes || !kept(r->offset, &length))
                length = 0;
        if (m->change_count == MODEL_CHANGES || m->log_count == MODEL_CHANGES ||
            length > MODEL_POOL - m->pool_used ||
            !(doorbell_guest_range(r->addr, r->length) || !writes)) {
                m->full = true;
                return;
        }
        m->changes[m->change_count++] =
            (struct model_change){r->step, r->flags, r->offset, r->length, m->pool_used};
        memcpy(m->pool + m->pool_used, m->memory + (length ? r->addr : 0), length);
        m->pool_used += length;
        m->log[m->log_count++] = m->changes[m->change_count - 1];
        if (r->flags & ABI_CHANGE_SWITCH) {
                m->switch_step = r->step;
                m->ambiguous = is_ambiguous(m);
        }
}

static void apply(struct model *m, const struct model_change *change)
{
        if (change->flags & ABI_CHANGE_TRUNCATE) {
                file_resize(&m->image, change->offset);
                return;
        }
        if (change->flags & ABI_CHANGE_PUNCH) {
                file_write(&m->image, change->offset, NULL, change->length);
                return;
        }
        if (change->offset + change->length > m->image.size)
                m->image.size = change->offset + change->length;
        file_write(&m->image, change->offset, m->pool + change->store, change->length);
}

/* As the build of an open transaction begins. */
static void resize_once(struct model *m)
{
        if (m->open && !m->resized)
                file_resize(&m->image, m->final_size);
        m->resized = true;
}

bool model_apply_next(struct model *m, uint32_t step)
{
        if (!m->change_count || m->changes[0].step != step)
                return false;
        apply(m, &m->changes[0]);
        m->change_count--;
        memmove(m->changes, m->changes + 1, m->change_count * sizeof m->changes[0]);
        return true;
}

static void apply_step(struct model *m, uint32_t step)
{
        size_t left = 0;

        for (size_t i = 0; i < m->change_count; i++) {
                if (m->changes[i].step == step)
                        apply(m, &m->changes[i]);
                else
                        m->changes[left++] = m->changes[i];
        }
        m->change_count = left;
}

static void accept_apply(struct model *m, const struct abi_request *r)
{
        ONLY(m->open || m->committed);
        for (size_t i = 0; i < m->change_count; i++)
                ONLY(m->changes[i].step >= r->step);
        resize_once(m);
        apply_step(m, r->step);
        if (m->open && r->step == m->switch_step) {
                ONLY(!(r->flags & ABI_APPLY_PART));
                m->open = false;
                m->committed = true;
                m->switch_step = 0;
        }
}

static void accept_end(struct model *m, const struct abi_result *result)
{
        ONLY(result->code != ABI_OK || (!m->open && !m->change_count));
}

void model_accept(struct model *m, const struct abi_request *r,
                  const struct abi_result *result)
{
        ONLY(!r->reserved);
        switch (r->op) {
        case ABI_READ:
                accept_read(m, r);
                break;
        case ABI_QUERY_HOLE:
                accept_hole(m, r);
                break;
        case ABI_BEGIN:
                accept_begin(m, r);
                break;
        case ABI_ASSERT:
                accept_assert(m, r);
                break;
        case ABI_CLAIM:
                accept_claim(m, r);
                break;
        case ABI_JOURNAL:
                accept_change(m, r);
                break;
        case ABI_APPLY:
                accept_apply(m, r);
                break;
        case ABI_END:
                accept_end(m, result);
                break;
        default:
                ONLY(r->op == ABI_POPULATE || r->op == ABI_REPORT);
        }
}

void model_end(struct model *m)
{
        if (m->open)
                file_copy(&m->image, &m->old);
        m->open = m->committed = m->prepares = false;
        m->switch_step = 0;
        m->change_count = 0;
}

void model_follow(struct model *m, const struct model *leader)
{
        model_end(m);
        file_copy(&m->image, &leader->image);
        doorbell_guest_copy(m->memory, leader->memory);
        m->full = false;
}
