/* SPDX-License-Identifier: MIT */
/* The snapshot table and the snapshots' L1 tables ("Snapshots"). */
#include <string.h>

#include "guest/ops/check_state.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"
#include "guest/rt/report.h"

/* Version 3 has at least so much: the size of the VM state and of the disk. */
#define MIN_EXTRA 16u

/* QEMU reads what lies behind the end of the file as zeros, so only its limits count. */
#define ANYWHERE ((uint64_t)INT64_MAX / 2)

typedef void visitor(struct check *check, struct snapshot_walk *walk,
                     const struct snapshot *snapshot, uint32_t index);

/* Visit all entries.  False where the table is damaged or over a limit; *end is
 * where it ends, and *fault what QEMU gives up for. */
static bool visit_all(struct check *c, visitor *visit, uint64_t *end,
                      enum abi_header_fault *fault, enum abi_code *code)
{
        struct snapshot_walk walk;
        struct snapshot snapshot;
        enum snapshot_step step;
        uint64_t mark = arena_mark();
        uint32_t index = 0;
        *code = snapshot_walk_begin(&walk, &c->image.header, ANYWHERE);
        *end = c->image.header.snapshots_offset;
        *fault = ABI_HEADER_SNAPSHOTS;
        if (*code)
                return false;
        read_flush();
        while ((step = snapshot_walk_next(&walk, &snapshot)) == SNAPSHOT_ENTRY) {
                *end = snapshot.position;
                if (snapshot.extra_length > QCOW2_MAX_SNAPSHOT_EXTRA) {
                        *fault = ABI_HEADER_SNAPSHOT_EXTRA;
                        return false;
                }
                visit(c, &walk, &snapshot, index++);
        }
        *end = walk.position;
        arena_release(mark);
        return step == SNAPSHOT_END;
}

static void look(struct check *c, struct snapshot_walk *walk,
                 const struct snapshot *snapshot, uint32_t index)
{
        (void)walk;
        if (snapshot->extra_length < MIN_EXTRA && c->image.header.version >= 3)
                check_find(c, ABI_FINDING_SNAPSHOT_INCOMPLETE, index, 0, 0);
        c->l2_total += snapshot->entries;
}

bool check_snapshots_look(struct check *c)
{
        enum abi_code code;
        enum abi_header_fault fault;
        uint64_t end;
        if (visit_all(c, look, &end, &fault, &code))
                return true;
        check_report_damage(c, fail(ABI_BAD_HEADER, fault, end, 0, 0), NULL);
        return false;
}

/* ---- what they refer to ---------------------------------------------------------- */

/* All is read before there is a report: reading sends what is reported. */
static void report_finding(struct check *c, struct snapshot_walk *walk,
                           const struct snapshot *snapshot, enum abi_finding_kind kind,
                           uint64_t number)
{
        struct abi_report_snapshot_finding fixed = {
            .finding = {.kind = kind, .detail = {number, 0, 0}}};
        uint8_t text[SNAPSHOT_SHOWN_ID + SNAPSHOT_SHOWN_NAME];
        if (!c->first_pass)
                return;
        c->sums.corruptions++;
        if (c->silent)
                return;
        check_send_findings(c);
        snapshot_copy_strings(walk, snapshot, text, &fixed.id_length, &fixed.name_length);
        uint64_t length = fixed.id_length + fixed.name_length;
        uint8_t *report = report_add(ABI_REPORT_SNAPSHOT_FINDING, sizeof fixed + length);
        memcpy(report, &fixed, sizeof fixed);
        memcpy(report + sizeof fixed, text, length);
}

static void refer(struct check *c, struct snapshot_walk *walk,
                  const struct snapshot *snapshot, uint32_t index)
{
        uint64_t bytes = (uint64_t)snapshot->entries * 8;
        (void)index;
        if (snapshot->offset % c->image.header.cluster_size) {
                report_finding(c, walk, snapshot, ABI_FINDING_SNAPSHOT_L1_UNALIGNED,
                               snapshot->offset);
        } else if (bytes > QCOW2_MAX_L1_BYTES) {
                report_finding(c, walk, snapshot, ABI_FINDING_SNAPSHOT_L1_TOO_LARGE,
                               snapshot->entries);
        } else if (snapshot->offset > INT64_MAX - bytes) {
                check_refer(c, snapshot->offset, bytes);
                c->sums.incomplete = bytes != 0; /* it cannot be read */
        } else if (check_l1(c, snapshot->offset, snapshot->entries, false)) {
                c->sums.incomplete = 1;
        }
}

enum abi_code check_snapshots(struct check *c)
{
        uint64_t start = c->image.header.snapshots_offset;
        uint32_t count = c->image.header.snapshot_count;
        enum abi_code code;
        enum abi_header_fault fault;
        uint64_t end;
        if (c->data_file && count)
                check_find_once(c, ABI_FINDING_SNAPSHOTS_DATA_FILE, count, 0);
        if (visit_all(c, refer, &end, &fault, &code))
                check_refer(c, start, end - start);
        else
                c->sums.incomplete = 1; /* it has changed since it was looked at */
        return code;
}
