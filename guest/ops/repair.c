/* SPDX-License-Identifier: MIT */
#include "guest/ops/repair.h"

#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/platform.h"
#include "guest/rt/reader.h"
#include "guest/rt/report.h"
#include "guest/rt/transaction.h"

#define REPORT_BUFFER (64u << 10)

/* Mending one table may show that another has to be mended. */
#define MAX_ROUNDS 6u

/* ---- telling ------------------------------------------------------------------------
 */

void repair_tell_bitmap(enum abi_repair_kind kind, uint64_t first, uint64_t second,
                        const uint8_t *name, uint32_t length)
{
        length = length <= QCOW2_MAX_NAME ? length : 0;
        struct abi_report_repair *report =
            report_add(ABI_REPORT_REPAIR, sizeof *report + length);
        *report = (struct abi_report_repair){
            .kind = kind, .name_length = length, .detail = {first, second, 0}};
        if (length)
                memcpy(report + 1, name, length);
}

void repair_tell(enum abi_repair_kind kind, uint64_t first, uint64_t second,
                 uint64_t third)
{
        struct abi_report_repair *report = report_add(ABI_REPORT_REPAIR, sizeof *report);
        *report =
            (struct abi_report_repair){.kind = kind, .detail = {first, second, third}};
}

/* ---- the plan's image ---------------------------------------------------------------
 */

void repair_read(uint64_t offset, void *bytes, uint64_t length)
{
        read_queue(offset, bytes, length);
        read_flush();
}

#define ENTRIES_WINDOW 4096u

uint64_t repair_entry(uint64_t offset, uint64_t entries, uint64_t i)
{
        static uint64_t window[ENTRIES_WINDOW];
        uint64_t left = entries - i;
        if (i % ENTRIES_WINDOW == 0)
                repair_read(offset + i * 8, window,
                            (left < ENTRIES_WINDOW ? left : ENTRIES_WINDOW) * 8);
        return load_be64(&window[i % ENTRIES_WINDOW]);
}

static bool is_device(const struct repair *r)
{
        return r->call->flags & ABI_CALL_BLOCK_DEVICE;
}

uint64_t repair_allocate(struct repair *r, uint64_t clusters, uint8_t **bytes)
{
        uint32_t bits = r->h.cluster_bits;
        uint64_t offset = r->next_cluster << bits;
        if (clusters > (uint64_t)ABI_MAX_GROWTH >> bits)
                return 0;
        if (is_device(r) && !range_inside(offset, clusters << bits, r->call->file_size)) {
                r->device_full = true;
                return 0;
        }
        *bytes = overlay_extent(&r->overlay, offset, clusters << bits);
        if (!*bytes)
                return 0;
        r->next_cluster += clusters;
        return offset;
}

void repair_refer_early(struct repair *r)
{
        r->overlay.extents[r->overlay.extent_count - 1].early = true;
}

uint8_t *repair_extent_at(const struct repair *r, uint64_t offset, uint64_t *length)
{
        for (uint32_t i = 0; i < r->overlay.extent_count; i++)
                if (r->overlay.extents[i].offset == offset) {
                        *length = r->overlay.extents[i].length;
                        return r->overlay.extents[i].bytes;
                }
        return NULL;
}

/* The file's size once the new clusters are there. */
static uint64_t planned_size(const struct repair *r)
{
        uint64_t end = r->call->file_size;
        for (uint32_t i = 0; i < r->overlay.extent_count; i++) {
                const struct overlay_extent *e = &r->overlay.extents[i];
                if (e->offset + e->length > end)
                        end = e->offset + e->length;
        }
        return end;
}

uint64_t repair_end_at(const struct repair *r, uint64_t offset)
{
        for (uint32_t i = 0; i < r->overlay.extent_count; i++) {
                const struct overlay_extent *e = &r->overlay.extents[i];
                if (offset - e->offset < e->length)
                        return e->offset + e->length;
        }
        return header_file_end(&r->h, r->call->file_size);
}

enum abi_code repair_look(struct repair *r, const struct check_mend *mend, bool roles,
                          struct check *check)
{
        memset(check, 0, sizeof *check);
        check->call = r->call;
        check->file_size = planned_size(r);
        check->silent = true;
        check->mend = mend;
        check->walks_on = r->walks_on;
        if (roles) {
                memset(r->roles, 0, r->role_clusters);
                check->count_on = true;
                check->roles = r->roles;
                check->role_clusters = r->role_clusters;
        }
        enum abi_code code = check_whole(check);
        check->first = 0;
        if (!code && check->sums.passes > 1)
                code = ABI_TOO_LARGE;
        return code ? code : check->mend_code;
}

/* ---- the stages ---------------------------------------------------------------------
 */

/* Behind the end of the file; on a device, behind the last cluster that is used. */
static void place_new_clusters(struct repair *r, const struct check *check)
{
        uint64_t next = is_device(r) ? check->highest + 1 : check->clusters;
        if (!is_device(r) && check->named_end > next)
                next = check->named_end;
        if (next > r->next_cluster)
                r->next_cluster = next;
}

/* A table that is a bitmap's data, too, goes on as a copy: whose the cluster was has to
 * be known before. */
static enum abi_code mend_overlapped(struct repair *r, struct check *check)
{
        uint64_t mark = arena_mark();
        bool changed;
        if (!r->h.has_bitmaps)
                return ABI_OK;
        enum abi_code code = repair_roles(r, check);
        if (!code && !check->sums.incomplete) {
                place_new_clusters(r, check);
                code = repair_shared(r, check, &changed);
        }
        arena_release(mark);
        return code;
}

/* Mend entries until nothing is left to be mended.  Each round knows what refers to each
 * cluster, so that no table is written over that is something else, too. */
static enum abi_code mend_tables(struct repair *r, struct check *check)
{
        enum abi_code code = ABI_OK;
        r->changed = true;
        for (r->round = 0; r->round < MAX_ROUNDS && r->changed && !code; r->round++) {
                uint64_t mark = arena_mark();
                r->changed = false;
                code = repair_roles(r, check);
                arena_release(mark);
                if (code)
                        break;
                place_new_clusters(r, check);
                code = repair_l1(r);
                if (!code)
                        code = repair_entries(r);
        }
        return code;
}

/* Only now is it known whose a cluster is. */
static enum abi_code mend_shared(struct repair *r, struct check *check)
{
        uint64_t mark = arena_mark();
        bool changed;
        enum abi_code code = repair_look(r, NULL, true, check);
        if (!code && !check->sums.incomplete)
                code = repair_shared(r, check, &changed);
        arena_release(mark);
        return code;
}

/* Lists and tables that only the switch publishes. */
static bool header_drops(const struct repair *r)
{
        const struct repair_header_bytes *b = &r->header;
        return memcmp(b->old + QCOW2_L1_FIELDS, b->now + QCOW2_L1_FIELDS, 12) != 0 ||
               memcmp(b->old + QCOW2_SNAPSHOT_FIELDS, b->now + QCOW2_SNAPSHOT_FIELDS,
                      12) != 0 ||
               memcmp(b->old + r->h.header_length, b->now + r->h.header_length,
                      b->length - r->h.header_length) != 0;
}

static enum abi_code settle_refcounts(struct repair *r, struct check *check)
{
        enum abi_code code = repair_look(r, NULL, true, check);
        if (code)
                return code;
        if (check->sums.incomplete)
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_INCOMPLETE, 0, 0, 0);
        place_new_clusters(r, check);
        r->drops_late = header_drops(r);
        code = repair_refcounts(r, check);
        return code ? code : repair_copied(r, check);
}

/* "The image is clean", "is consistent": it is, once all this is done. */
static void clear_marks(struct repair *r)
{
        uint8_t *field = r->header.now + QCOW2_INCOMPATIBLE_FIELD;
        uint64_t bits = load_be64(field);
        uint64_t marks = bits & (QCOW2_INCOMPATIBLE_DIRTY | QCOW2_INCOMPATIBLE_CORRUPT);
        if (r->h.version < 3 || !marks)
                return;
        store_be64(field, bits & ~marks);
        repair_tell(ABI_REPAIR_MARKS, marks, 0, 0);
}

/* What the checker says of the plan is what a user would be told afterwards. */
static enum abi_code prove(struct repair *r, struct check *check)
{
        uint64_t mark = arena_mark();
        enum abi_code code = repair_look(r, NULL, false, check);
        arena_release(mark);
        if (!code && (check->sums.corruptions || check->sums.leaks ||
                      check->sums.check_errors || check->sums.incomplete))
                code = fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_REMAINS,
                            check->sums.corruptions, check->sums.leaks,
                            check->sums.check_errors);
        return code;
}

/*
 * Does QEMU open it?  If not, no other program writes to it while the repair is under
 * way, or interrupted.  New clusters go behind what is referred to behind the end, which
 * reads as zeros, so that no state in between reads them there.  On a device they go
 * behind all that is used, and that has to be known.
 */
static enum abi_code look_at_old(struct repair *r, struct check *check)
{
        uint64_t mark = arena_mark();
        r->walks_on = true;
        enum abi_code code = repair_look(r, NULL, false, check);
        r->walks_on = false;
        bool walked = !code && check->sums.passes == 1;
        r->unopenable = code || check->sums.incomplete;
        code = ABI_OK;
        if (walked)
                place_new_clusters(r, check);
        else
                r->next_cluster++;
        if (is_device(r) && (!walked || check->sums.check_errors))
                code = fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_INCOMPLETE, 0, 0, 0);
        arena_release(mark);
        return code;
}

static enum abi_code plan_all(struct repair *r, struct check *check)
{
        enum abi_code code = look_at_old(r, check);
        if (code || (code = repair_header(r)) || (code = repair_extensions(r)) ||
            (code = repair_header_done(r)) || (code = repair_bitmaps(r)) ||
            (code = repair_header_done(r)) || (code = repair_snapshots(r)) ||
            (code = repair_header_done(r)) || (code = mend_overlapped(r, check)) ||
            (code = mend_tables(r, check)) || (code = mend_shared(r, check)))
                return code;
        uint64_t mark = arena_mark();
        code = settle_refcounts(r, check);
        arena_release(mark);
        if (code)
                return code;
        clear_marks(r);
        code = repair_header_done(r);
        return code ? code : prove(r, check);
}

/* As QEMU does: once there are no leaks, COPIED flags, too, unless something else is
 * wrong. */
static enum abi_code plan_leaks(struct repair *r, struct check *check)
{
        enum abi_code code = repair_look(r, NULL, true, check);
        if (code)
                return code;
        if (check->sums.incomplete)
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_INCOMPLETE, 0, 0, 0);
        if (check->sums.leaks)
                code = repair_leaks(r, check);
        if (code || check->sums.check_errors ||
            check->sums.corruptions != check->wrong_flags)
                return code;
        return repair_copied(r, check);
}

/* Read the header cluster as it is. */
static enum abi_code load_header(struct repair *r)
{
        struct header_bytes bytes;
        uint64_t file_size = r->call->file_size;
        if (file_size > INT64_MAX / 2)
                return ABI_OVERFLOW;
        enum abi_code code = header_load(file_size, &r->h, &bytes);
        if (code)
                return code;
        uint64_t size = r->h.cluster_size;
        r->header.length = (uint32_t)size;
        r->header.old = arena_alloc(size);
        r->header.now = arena_alloc(size);
        r->header.seen = arena_alloc(size);
        r->role_clusters = divide_up(file_size, size) + 2;
        r->next_cluster = is_device(r) ? 0 : divide_up(file_size, size);
        r->roles = arena_alloc(r->role_clusters);
        r->refcount_order = r->h.refcount_order;
        if (!r->header.old || !r->header.now || !r->header.seen || !r->roles)
                return ABI_TOO_LARGE;
        repair_read(0, r->header.old, size);
        memcpy(r->header.now, r->header.old, size);
        memcpy(r->header.seen, r->header.old, size);
        return ABI_OK;
}

static enum abi_code run(struct repair *r)
{
        struct check *check = arena_alloc(sizeof *check);
        if (!check || !report_start(REPORT_BUFFER))
                return ABI_TOO_LARGE;
        enum abi_code code = overlay_start(&r->overlay);
        if (!code)
                code = load_header(r);
        if (!code)
                code = r->all ? plan_all(r, check) : plan_leaks(r, check);
        overlay_stop();
        if (code == ABI_TOO_LARGE && r->device_full)
                return fail(ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_FULL, 0, 0, 0);
        if (code || overlay_is_empty(&r->overlay) || r->call->flags & ABI_CALL_DRY_RUN)
                return code;
        return repair_emit(r);
}

void repair_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        overlay_stop();
        struct repair *r = arena_alloc(sizeof *r);
        if (!r) {
                result.code = ABI_TOO_LARGE;
        } else {
                r->call = rt_call();
                r->all = r->call->flags & ABI_CALL_REPAIR_ALL;
                r->reset_damaged = r->call->flags & ABI_CALL_RESET_DAMAGED;
                result.code = run(r);
        }
        if (result.code)
                failure_details(result.detail);
        program_end(&result);
}
