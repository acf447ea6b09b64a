/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/checked.h"

#include <string.h>

#include "guest/ops/check.h"

struct found found;
struct ops checked_ops;

const struct made_options checked_rich = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .data_clusters = 9,
    .snapshots = 3,
    .free_clusters = 3,
    .bitmap_count = 4,
    .bitmaps =
        {{.name = "empty", .granularity_bits = 9},
         {.name = "ones", .granularity_bits = 9, .fill = MADE_ONES, .flags = 2},
         {.name = "data", .granularity_bits = 10, .fill = MADE_DATA},
         {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 3}},
};

static void take_findings(const void *bytes, uint64_t length)
{
        uint64_t count = length / sizeof *found.findings;
        assert_int_equal(length, count * sizeof *found.findings);
        assert_true(found.finding_count + count <= MAX_FINDINGS);
        memcpy(found.findings + found.finding_count, bytes, length);
        found.finding_count += (uint32_t)count;
}

static void take_damage(const void *bytes, uint64_t length)
{
        struct abi_report_damage *report = &found.damage[found.damage_count];
        assert_true(found.damage_count < MAX_DAMAGE && length >= sizeof *report);
        memcpy(report, bytes, sizeof *report);
        assert_int_equal(length, sizeof *report + report->name_length);
        memcpy(found.names[found.damage_count++], (const char *)bytes + sizeof *report,
               report->name_length);
}

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        assert_false(found.ended);
        assert_int_equal(kind == ABI_REPORT_IMAGE, found.reports == 0);
        found.reports++;
        switch (kind) {
        case ABI_REPORT_IMAGE:
        case ABI_REPORT_PROGRESS:
                break;
        case ABI_REPORT_FINDINGS:
                take_findings(bytes, length);
                break;
        case ABI_REPORT_DAMAGE:
                take_damage(bytes, length);
                break;
        case ABI_REPORT_CHECK:
                assert_int_equal(length, sizeof found.sums);
                memcpy(&found.sums, bytes, length);
                found.ended = true;
                break;
        default:
                fail_msg("report of kind %u", (unsigned int)kind);
        }
}

int checked_set_up(void **state)
{
        (void)state;
        ops_open(&checked_ops);
        native_host_set_sink(checked_ops.host, take, NULL);
        return 0;
}

int checked_tear_down(void **state)
{
        (void)state;
        ops_close(&checked_ops);
        return 0;
}

enum native_status checked_run(void)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        call.flags = ABI_CALL_PROGRESS;
        memset(&found, 0, sizeof found);
        assert_true(native_image_copy(&checked_ops.before, checked_ops.image));
        checked_ops.outcome = native_run(checked_ops.host, check_main, &call);
        if (checked_ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", checked_ops.outcome.rule);
        assert_true(native_image_equal(checked_ops.image, &checked_ops.before));
        return checked_ops.outcome.status;
}

void check(void)
{
        assert_int_equal(checked_run(), NATIVE_OK);
        assert_int_equal(checked_ops.outcome.result.code, ABI_OK);
        assert_true(found.ended);
        assert_int_equal(found.sums.incomplete, 0);
        assert_int_equal(found.sums.corruptions + found.sums.leaks +
                             found.sums.check_errors,
                         found.finding_count);
        assert_int_equal(found.sums.bitmap_faults, found.damage_count);
}
