/* SPDX-License-Identifier: MIT */
/*
 * `instar check` inside the guest.  It counts as QEMU's own check does, so that both say
 * the same of every image that QEMU opens; where QEMU does not open one, it tells why.
 * Nothing is written (invariant 10).
 */
#include "guest/ops/check.h"

#include <string.h>

#include "guest/ops/check_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/platform.h"
#include "guest/rt/report.h"
#include "guest/rt/transaction.h"

#define REPORT_BUFFER (256u << 10)
#define PER_REPORT    (ABI_MAX_REPORT / 2 / sizeof(struct abi_finding))

/* ---- telling --------------------------------------------------------------------- */

void check_send_findings(struct check *c)
{
        uint64_t length = c->finding_count * sizeof *c->findings;
        if (length)
                memcpy(report_add(ABI_REPORT_FINDINGS, length), c->findings, length);
        c->finding_count = 0;
}

void check_find(struct check *c, enum abi_finding_kind kind, uint64_t first,
                uint64_t second, uint64_t third)
{
        if (kind <= ABI_FINDING_LAST_CORRUPTION)
                c->sums.corruptions++;
        else if (kind == ABI_FINDING_LEAK)
                c->sums.leaks++;
        else
                c->sums.check_errors++;
        c->wrong_flags +=
            kind == ABI_FINDING_COPIED_L2 || kind == ABI_FINDING_COPIED_DATA;
        if (c->silent)
                return;
        if (c->finding_count == PER_REPORT)
                check_send_findings(c);
        c->findings[c->finding_count++] =
            (struct abi_finding){.kind = kind, .detail = {first, second, third}};
}

void check_find_once(struct check *c, enum abi_finding_kind kind, uint64_t first,
                     uint64_t second)
{
        if (c->first_pass)
                check_find(c, kind, first, second, 0);
}

/* A name that is itself the damage is not worth telling. */
void check_report_damage(struct check *c, enum abi_code code,
                         const struct directory_entry *e)
{
        uint32_t length = e && e->name_length <= QCOW2_MAX_NAME ? e->name_length : 0;
        c->sums.bitmap_faults += e != NULL;
        if (c->silent)
                return;
        check_send_findings(c);
        struct abi_report_damage *report =
            report_add(ABI_REPORT_DAMAGE, sizeof *report + length);
        *report = (struct abi_report_damage){.code = code, .name_length = length};
        failure_details(report->detail);
        if (length)
                memcpy(report + 1, e->name, length);
}

/* ---- the passes ------------------------------------------------------------------ */

static enum abi_code refer_to_all(struct check *c)
{
        const struct header *h = &c->image.header;
        check_refer(c, 0, h->cluster_size);
        enum abi_code code = check_l1(c, h->l1_offset, h->l1_size, true);
        if (code || (code = check_snapshots(c)))
                return code;
        check_refer(c, h->refcount_table_offset, c->refcount_entries * 8);
        check_refer(c, h->crypto_offset, h->crypto_length);
        if (!check_bitmaps(c))
                c->sums.incomplete = 1;
        return ABI_OK;
}

static enum abi_code pass(struct check *c)
{
        check_refcounts_load(c);
        enum abi_code code = refer_to_all(c);
        if (code || (c->sums.incomplete && !c->walks_on))
                return code;
        check_refcount_blocks(c);
        check_bitmaps_overlap(c);
        check_compare(c);
        return ABI_OK;
}

static enum abi_code all_passes(struct check *c)
{
        enum abi_code code = check_refcounts_begin(c);
        c->l2_total *= c->sums.passes;
        for (c->first = 0; !code && !c->sums.incomplete && c->first < c->reach;
             c->first += c->capacity)
                code = pass(c);
        if (!c->sums.incomplete)
                c->sums.image_end = (c->highest + 1) * c->image.header.cluster_size;
        return code;
}

enum abi_code check_whole(struct check *c)
{
        enum abi_code code;
        bool has_header = check_header(c, &code);
        c->role = CHECK_ROLE_OTHER;
        bool opens = has_header && check_bitmaps_look(c, &code);
        if (code)
                return code;
        bool whole = opens && check_snapshots_look(c);
        if (whole || (has_header && c->walks_on))
                code = all_passes(c);
        c->sums.incomplete |= !whole;
        return code;
}

static enum abi_code run(struct check *c)
{
        c->findings = arena_alloc(PER_REPORT * sizeof *c->findings);
        if (!c->findings || !report_start(REPORT_BUFFER))
                return ABI_TOO_LARGE;
        enum abi_code code = check_whole(c);
        if (code)
                return code;
        check_send_findings(c);
        *(struct abi_report_check *)report_add(ABI_REPORT_CHECK, sizeof c->sums) =
            c->sums;
        return ABI_OK;
}

void check_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct check *c = arena_alloc(sizeof *c);
        if (!c) {
                result.code = ABI_TOO_LARGE;
        } else {
                c->call = rt_call();
                c->file_size = c->call->file_size;
                result.code = run(c);
        }
        if (result.code)
                failure_details(result.detail);
        program_end(&result);
}
