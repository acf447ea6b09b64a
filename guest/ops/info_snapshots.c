/* SPDX-License-Identifier: MIT */
/* The snapshot table ("Snapshots"). */
#include <string.h>

#include "guest/ops/info_look.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/bytes.h"
#include "guest/rt/failure.h"
#include "guest/rt/reader.h"
#include "guest/rt/report.h"

/* Offsets inside an entry's fixed part. */
#define DATE_SECONDS     16u
#define DATE_NANOSECONDS 20u
#define VM_CLOCK         24u
#define VM_STATE_SIZE    32u

/* And inside its extra data, as far as there is any. */
#define EXTRA_VM_STATE_SIZE 0u
#define EXTRA_ICOUNT        16u
#define EXTRA_KNOWN         24u

static void take_fixed(const struct snapshot *snapshot,
                       struct abi_report_snapshot *report)
{
        const uint8_t *b = snapshot->fixed;
        report->date_seconds = load_be32(b + DATE_SECONDS);
        report->date_nanoseconds = load_be32(b + DATE_NANOSECONDS);
        report->vm_clock = load_be64(b + VM_CLOCK);
        report->vm_state_size = load_be32(b + VM_STATE_SIZE);
        report->icount = UINT64_MAX;
}

static void take_extra(const uint8_t *extra, uint64_t length,
                       struct abi_report_snapshot *report)
{
        if (length >= EXTRA_VM_STATE_SIZE + 8)
                report->vm_state_size = load_be64(extra + EXTRA_VM_STATE_SIZE);
        if (length >= EXTRA_ICOUNT + 8)
                report->icount = load_be64(extra + EXTRA_ICOUNT);
}

/* All is read before there is a report: reading sends what is reported. */
static void report_snapshot(struct snapshot_walk *walk, const struct snapshot *snapshot)
{
        struct abi_report_snapshot fixed;
        uint8_t text[SNAPSHOT_SHOWN_ID + SNAPSHOT_SHOWN_NAME];
        memset(&fixed, 0, sizeof fixed);
        take_fixed(snapshot, &fixed);
        uint64_t known =
            snapshot->extra_length < EXTRA_KNOWN ? snapshot->extra_length : EXTRA_KNOWN;
        take_extra(snapshot_walk_bytes(walk, snapshot->position + SNAPSHOT_FIXED, known),
                   known, &fixed);
        snapshot_copy_strings(walk, snapshot, text, &fixed.id_length, &fixed.name_length);
        uint64_t length = fixed.id_length + fixed.name_length;
        uint8_t *report = report_add(ABI_REPORT_SNAPSHOT, sizeof fixed + length);
        memcpy(report, &fixed, sizeof fixed);
        memcpy(report + sizeof fixed, text, length);
}

enum abi_code info_report_snapshots(struct info *info)
{
        struct snapshot_walk walk;
        struct snapshot snapshot;
        enum snapshot_step step;
        /* QEMU lists none where the data lies in another file. */
        if (info->snapshots_unknown ||
            info->image.header.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
                return ABI_OK;
        enum abi_code code =
            snapshot_walk_begin(&walk, &info->image.header, info->image.file_size);
        if (code)
                return code;
        read_flush();
        while ((step = snapshot_walk_next(&walk, &snapshot)) == SNAPSHOT_ENTRY) {
                if (snapshot.extra_length > QCOW2_MAX_SNAPSHOT_EXTRA)
                        info_note(info,
                                  fail(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA,
                                       snapshot.position, 0, 0),
                                  NULL);
                report_snapshot(&walk, &snapshot);
        }
        if (step == SNAPSHOT_MALFORMED)
                info_note(info,
                          fail(ABI_BAD_HEADER, ABI_HEADER_SNAPSHOTS, walk.position, 0, 0),
                          NULL);
        return ABI_OK;
}
