/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/told.h"

#include <string.h>

#include "guest/ops/info.h"

struct told told;
struct ops told_ops;

const struct made_options told_rich = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .data_clusters = 4,
    .snapshots = 3,
    .bitmap_count = 5,
    .bitmaps =
        {{.name = "empty", .granularity_bits = 9},
         {.name = "ones", .granularity_bits = 9, .fill = MADE_ONES, .flags = 2},
         {.name = "data", .granularity_bits = 10, .fill = MADE_DATA, .dirty_tail = true},
         {.name = "sparse", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 3},
         {.name = "running", .granularity_bits = 9, .fill = MADE_DATA, .flags = 3}},
};

static void take_bytes(void *to, size_t size, char *text, size_t text_size,
                       const void *bytes, uint64_t length)
{
        assert_true(length >= size && length - size < text_size);
        memcpy(to, bytes, size);
        memset(text, 0, text_size);
        memcpy(text, (const char *)bytes + size, length - size);
}

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        assert_true(kind >= told.last_kind);
        told.last_kind = kind;
        switch (kind) {
        case ABI_REPORT_IMAGE:
                take_bytes(&told.image, sizeof told.image, told.texts, sizeof told.texts,
                           bytes, length);
                break;
        case ABI_REPORT_SNAPSHOT:
                take_bytes(&told.snapshots[told.snapshot_count], sizeof *told.snapshots,
                           told.snapshot_texts[told.snapshot_count],
                           sizeof *told.snapshot_texts, bytes, length);
                told.snapshot_count++;
                break;
        case ABI_REPORT_BITMAP:
                take_bytes(&told.bitmaps[told.bitmap_count], sizeof *told.bitmaps,
                           told.names[told.bitmap_count], sizeof *told.names, bytes,
                           length);
                told.bitmap_count++;
                break;
        case ABI_REPORT_DAMAGE:
                take_bytes(&told.damage[told.damage_count], sizeof *told.damage,
                           told.damaged[told.damage_count], sizeof *told.damaged, bytes,
                           length);
                told.damage_count++;
                break;
        default:
                fail_msg("report of kind %u", (unsigned int)kind);
        }
}

int told_set_up(void **state)
{
        (void)state;
        ops_open(&told_ops);
        native_host_set_sink(told_ops.host, take, NULL);
        return 0;
}

int told_tear_down(void **state)
{
        (void)state;
        ops_close(&told_ops);
        return 0;
}

enum abi_code info(uint32_t flags)
{
        struct abi_call call;
        memset(&call, 0, sizeof call);
        call.flags = flags;
        told.snapshot_count = told.bitmap_count = told.damage_count = 0;
        told.last_kind = 0;
        assert_true(native_image_copy(&told_ops.before, told_ops.image));
        told_ops.outcome = native_run(told_ops.host, info_main, &call);
        if (told_ops.outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", told_ops.outcome.rule);
        assert_int_equal(told_ops.outcome.status, NATIVE_OK);
        assert_true(native_image_equal(told_ops.image, &told_ops.before));
        return (enum abi_code)told_ops.outcome.result.code;
}

uint64_t dirty_bytes(const char *name)
{
        const struct read_bitmap *b = ops_bitmap(&told_ops, name);
        uint64_t granule = 1ull << b->granularity_bits;
        uint64_t dirty = 0;
        for (uint64_t at = 0; at < told_ops.read.virtual_size; at += granule) {
                uint64_t left = told_ops.read.virtual_size - at;
                if (read_bit(b, at / granule))
                        dirty += left < granule ? left : granule;
        }
        return dirty;
}
