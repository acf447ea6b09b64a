/* SPDX-License-Identifier: MIT */
/* An image with four bitmaps, as it was and repaired.  Include it in one file of a
 * program. */
#ifndef INSTAR_TESTS_UNIT_OPS_REPAIR_LISTS_H
#define INSTAR_TESTS_UNIT_OPS_REPAIR_LISTS_H

#include <string.h>

#include "tests/unit/ops/repairs.h"

#define AUTOCLEAR 88u

static const struct made_options base = {
    .cluster_bits = 12,
    .virtual_size = (8ull << 20) + 512,
    .backing = "base.img",
    .record_before = 48,
    .record_behind = 16,
    .data_clusters = 9,
    .bitmap_count = 4,
    .bitmaps = {{.name = "one", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "two", .granularity_bits = 9, .fill = MADE_SPARSE, .flags = 2},
                {.name = "three", .granularity_bits = 10, .fill = MADE_DATA, .seed = 7},
                {.name = "four", .granularity_bits = 16, .fill = MADE_ONES}},
};

static struct ops ops;
static struct native_image sound; /* the image before the damage */
static struct read_image old;

static void make(void)
{
        ops_make(&ops, &ops.options);
        native_image_copy(&sound, ops.image);
        read_image_free(&old);
        read_image(&sound, &old);
}

static int set_up(void **state)
{
        (void)state;
        ops_open(&ops);
        native_image_create(&sound, 1ull << 30, 512);
        memset(&old, 0, sizeof old);
        ops.options = base;
        make();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        read_image_free(&old);
        native_image_destroy(&sound);
        ops_close(&ops);
        return 0;
}

/* Repaired, with just these bitmaps, as they were and in this order. */
static void expect_bitmaps(const char *const *names, uint32_t flags)
{
        uint32_t count = 0;
        repairs_all(&ops, flags);
        for (; names[count]; count++) {
                const char *name = names[count];
                const struct read_bitmap *was = read_find(&old, name, strlen(name));
                assert_true(count < ops.read.bitmap_count);
                assert_non_null(was);
                assert_true(read_same_bitmap(was, &ops.read.bitmaps[count]));
        }
        assert_int_equal(ops.read.bitmap_count, count);
        assert_false(ops.read.stale);
        assert_int_equal(ops.read.guest_hash, old.guest_hash);
}

static const char *const all[] = {"one", "two", "three", "four", NULL};

#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
