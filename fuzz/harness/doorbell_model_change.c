/* SPDX-License-Identifier: MIT */
/* Changes: declared, and applied step by step. */
#include <string.h>

#include "fuzz/harness/doorbell_model_internal.h"

/* What a fresh change may not have had content in: the sectors of the old file. */
static bool was_fresh(const struct model *m, const struct abi_request *r)
{
        uint64_t line = (m->old.size + ABI_SECTOR - 1) / ABI_SECTOR * ABI_SECTOR;
        uint64_t inside = line > r->offset ? line - r->offset : 0;

        return model_is_zero(m, r->offset, inside < r->length ? inside : r->length,
                             false);
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
        if (overwrites && model_is_kept(r))
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

void model_accept_change(struct model *m, const struct abi_request *r)
{
        uint64_t length = r->length;
        bool writes = !(r->flags & (ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE));

        judge_change(m, r);
        if (!writes || !model_file_kept(r->offset, &length))
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

/* ---- applying --------------------------------------------------------------------- */

static void apply(struct model *m, const struct model_change *change)
{
        if (change->flags & ABI_CHANGE_TRUNCATE) {
                model_file_resize(&m->image, change->offset);
                return;
        }
        if (change->flags & ABI_CHANGE_PUNCH) {
                model_file_write(&m->image, change->offset, NULL, change->length);
                return;
        }
        if (change->offset + change->length > m->image.size)
                m->image.size = change->offset + change->length;
        model_file_write(&m->image, change->offset, m->pool + change->store,
                         change->length);
}

/* As the build of an open transaction begins. */
static void resize_once(struct model *m)
{
        if (m->open && !m->resized)
                model_file_resize(&m->image, m->final_size);
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

void model_accept_apply(struct model *m, const struct abi_request *r)
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
