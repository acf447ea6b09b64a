/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/repairs.h"

#include <string.h>

#include "guest/ops/check.h"
#include "guest/ops/repair.h"
#include "tests/unit/ops/disk.h"

struct repairs_told repairs_told;

/* ---- reports -------------------------------------------------------------------------
 */

static void take_repair(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        struct repairs_told *told = context;
        uint32_t place = told->count < REPAIRS_MAX_TOLD ? told->count : 0;
        struct abi_report_repair *report = &told->reports[place];
        assert_int_equal(kind, ABI_REPORT_REPAIR);
        assert_true(length >= sizeof *report);
        memcpy(report, bytes, sizeof *report);
        assert_int_equal(length, sizeof *report + report->name_length);
        assert_true(report->name_length <= 1023);
        assert_in_range(report->kind, 1, ABI_REPAIR_KIND_COUNT - 1);
        memcpy(told->names[place], (const char *)bytes + sizeof *report,
               report->name_length);
        told->count++;
}

uint32_t repairs_count(enum abi_repair_kind kind)
{
        uint32_t count = 0;
        assert_true(repairs_told.count <= REPAIRS_MAX_TOLD);
        for (uint32_t i = 0; i < repairs_told.count; i++)
                count += repairs_told.reports[i].kind == kind;
        return count;
}

static uint32_t only(enum abi_repair_kind kind)
{
        uint32_t i = 0;
        assert_int_equal(repairs_count(kind), 1);
        while (repairs_told.reports[i].kind != kind)
                i++;
        return i;
}

const struct abi_report_repair *repairs_only(enum abi_repair_kind kind)
{
        return &repairs_told.reports[only(kind)];
}

const char *repairs_name(enum abi_repair_kind kind)
{
        return repairs_told.names[only(kind)];
}

void repairs_expect(enum abi_repair_kind kind, uint64_t first)
{
        assert_int_equal(repairs_only(kind)->detail[0], first);
        assert_int_equal(repairs_told.count, 1);
}

/* ---- the checker ---------------------------------------------------------------------
 */

static void take_findings(struct repairs_check *check, const void *bytes, uint64_t length)
{
        struct abi_finding finding;
        for (uint64_t i = 0; i < length; i += sizeof finding) {
                memcpy(&finding, (const char *)bytes + i, sizeof finding);
                assert_true(finding.kind < ABI_FINDING_COUNT);
                check->findings[finding.kind]++;
        }
}

static void take_check(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        struct repairs_check *check = context;
        struct abi_report_damage damage;
        switch (kind) {
        case ABI_REPORT_FINDINGS:
                take_findings(check, bytes, length);
                break;
        case ABI_REPORT_DAMAGE:
                memcpy(&damage, bytes, sizeof damage);
                check->damage += damage.code != ABI_BAD_BITMAP ||
                                 damage.detail[2] != ABI_BITMAP_IN_USE;
                break;
        case ABI_REPORT_CHECK:
                memcpy(&check->sums, bytes, sizeof check->sums);
                break;
        default:
                break;
        }
}

void repairs_check(struct ops *ops, struct repairs_check *check)
{
        struct abi_call call = {0};
        memset(check, 0, sizeof *check);
        native_host_set_sink(ops->host, take_check, check);
        struct native_outcome outcome = native_run(ops->host, check_main, &call);
        native_host_set_sink(ops->host, NULL, NULL);
        if (outcome.status == NATIVE_PROTOCOL)
                fail_msg("the checker broke a rule: %s", outcome.rule);
        assert_int_equal(outcome.status, NATIVE_OK);
        check->code = outcome.result.code;
}

bool repairs_is_clean(const struct repairs_check *check)
{
        return !check->code && !check->damage && !check->sums.incomplete &&
               !check->sums.corruptions && !check->sums.leaks &&
               !check->sums.check_errors;
}

/* ---- runs ----------------------------------------------------------------------------
 */

void repairs_run_only(struct ops *ops, uint32_t flags)
{
        struct abi_call call = {.flags = flags};
        memset(&repairs_told, 0, sizeof repairs_told);
        assert_true(native_image_copy(&ops->before, ops->image));
        native_host_report_to(ops->host, take_repair, &repairs_told);
        ops->outcome = native_run(ops->host, repair_main, &call);
        native_host_set_sink(ops->host, NULL, NULL);
        if (ops->outcome.status == NATIVE_PROTOCOL)
                fail_msg("the repair broke a rule: %s", ops->outcome.rule);
}

static void judge_unchanged(const struct ops *ops)
{
        assert_int_equal(native_trace_changes(native_host_trace(ops->host)), 0);
        assert_true(native_image_equal(ops->image, &ops->before));
}

static void judge_disk(const struct ops *ops)
{
        struct disk before;
        struct disk now;
        disk_read(&ops->before, &before);
        disk_read(ops->image, &now);
        uint64_t cluster = disk_difference(&before, &now);
        disk_free(&before);
        disk_free(&now);
        if (cluster != UINT64_MAX)
                fail_msg("cluster %llu of the disk reads otherwise",
                         (unsigned long long)cluster);
}

static void judge_check(struct ops *ops, bool all)
{
        struct repairs_check check;
        repairs_check(ops, &check);
        if (all ? repairs_is_clean(&check) : !check.sums.leaks)
                return;
        fail_msg("left: code %u, %llu corruptions, %llu leaks, %llu errors, %llu damages",
                 (unsigned int)check.code, (unsigned long long)check.sums.corruptions,
                 (unsigned long long)check.sums.leaks,
                 (unsigned long long)check.sums.check_errors,
                 (unsigned long long)check.damage);
}

static void judge_second(struct ops *ops, uint32_t flags)
{
        static struct repairs_told first;
        struct native_outcome outcome = ops->outcome;
        first = repairs_told;
        repairs_run_only(ops, flags);
        assert_int_equal(ops->outcome.status, NATIVE_OK);
        assert_int_equal(ops->outcome.result.code, ABI_OK);
        assert_int_equal(repairs_told.count, 0);
        judge_unchanged(ops);
        repairs_told = first;
        ops->outcome = outcome;
}

enum abi_code repairs_run(struct ops *ops, uint32_t flags)
{
        repairs_run_only(ops, flags);
        assert_int_equal(ops->outcome.status, NATIVE_OK);
        enum abi_code code = ops->outcome.result.code;
        if (code || flags & ABI_CALL_DRY_RUN || !repairs_told.count) {
                judge_unchanged(ops);
                return code;
        }
        assert_true(ops->outcome.committed);
        judge_disk(ops);
        judge_check(ops, flags & ABI_CALL_REPAIR_ALL);
        judge_second(ops, flags);
        return ABI_OK;
}

void repairs_all(struct ops *ops, uint32_t flags)
{
        assert_int_equal(repairs_run(ops, flags | ABI_CALL_REPAIR_ALL), ABI_OK);
        ops_look(ops);
        if (ops->read.error[0])
                fail_msg("unreadable: %s", ops->read.error);
        assert_int_equal(ops->read.corruptions, 0);
        assert_int_equal(ops->read.leaks, 0);
}
