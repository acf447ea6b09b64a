/* SPDX-License-Identifier: MIT */
/* What becomes of each request; changes are in doorbell_model_change.c. */
#include "fuzz/harness/doorbell_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/doorbell_model_internal.h"

#define PAGE 4096u

_Noreturn void model_finding(const char *what)
{
        fprintf(stderr, "finding: not so: %s\n", what);
        abort();
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
        model_file_resize(&m->image, 0);
        m->image.extent = size;
        m->image.size = size;
        for (size_t at = 0; at < size; at += PAGE)
                fill_page(m->image.bytes + at, size - at < PAGE ? size - at : PAGE,
                          at / PAGE, seed);
        model_file_copy(&m->old, &m->image);
        m->full = m->open = m->committed = m->prepares = m->resized = false;
        m->ambiguous = false;
        m->log_count = 0;
        m->device = device;
        m->switch_step = 0;
        m->final_size = size;
        m->change_count = 0;
        m->pool_used = 0;
}

/* ---- looking, and the guest's memory ---------------------------------------------- */

static void accept_hole(struct model *m, const struct abi_request *r)
{
        ONLY(r->value <= 1);
        if (!r->value)
                return;
        ONLY(r->length && r->length <= m->image.size &&
             r->offset <= m->image.size - r->length);
        ONLY(model_is_zero(m, r->offset, r->length, true));
}

static void accept_read(struct model *m, const struct abi_request *r)
{
        uint64_t length = r->length;

        ONLY(doorbell_guest_range(r->addr, r->length));
        if (!doorbell_guest_range(r->addr, r->length))
                return;
        if (!m->judges)
                doorbell_guest_touch(r->addr, r->length);
        memset(m->memory + r->addr, 0, r->length);
        if (model_file_kept(r->offset, &length))
                memcpy(m->memory + r->addr, m->image.bytes + r->offset, length);
}

void model_poke(struct model *m, uint64_t address, uint64_t length, uint16_t value)
{
        if (!m->judges)
                doorbell_guest_touch(address, length);
        doorbell_guest_fill(m->memory + address, length, value);
}

/* ---- the transaction -------------------------------------------------------------- */

static void accept_begin(struct model *m, const struct abi_request *r)
{
        ONLY(!m->open && !m->change_count);
        ONLY(!m->committed || m->prepares);
        ONLY(r->offset == m->image.size && r->length >= r->offset);
        ONLY(r->length - r->offset <= ABI_MAX_GROWTH && r->length <= INT64_MAX);
        ONLY(!m->device || r->length == r->offset);
        model_file_copy(&m->old, &m->image);
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
        if (model_is_kept(r))
                ONLY(r->value == model_fingerprint(m, r->offset, r->length, true));
}

static void accept_claim(struct model *m, const struct abi_request *r)
{
        ONLY(m->open && r->length && r->length <= m->final_size &&
             r->offset <= m->final_size - r->length);
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
                model_accept_change(m, r);
                break;
        case ABI_APPLY:
                model_accept_apply(m, r);
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
                model_file_copy(&m->image, &m->old);
        m->open = m->committed = m->prepares = false;
        m->switch_step = 0;
        m->change_count = 0;
}

void model_follow(struct model *m, const struct model *leader)
{
        model_end(m);
        model_file_copy(&m->image, &leader->image);
        doorbell_guest_copy(m->memory, leader->memory);
        m->full = false;
}
