/* SPDX-License-Identifier: MIT */
/* What the host is told of an image in memory by `info`. */
#ifndef INSTAR_TESTS_UNIT_OPS_TOLD_H
#define INSTAR_TESTS_UNIT_OPS_TOLD_H

#include "tests/unit/ops/ops.h"

#define MAX_DAMAGE 300u

struct told {
        struct abi_report_image image;
        char texts[8192];
        struct abi_report_snapshot snapshots[MADE_MAX_SNAPSHOTS];
        char snapshot_texts[MADE_MAX_SNAPSHOTS][512];
        uint32_t snapshot_count;
        struct abi_report_bitmap bitmaps[MADE_MAX_BITMAPS];
        char names[MADE_MAX_BITMAPS][1100];
        uint32_t bitmap_count;
        struct abi_report_damage damage[MAX_DAMAGE];
        char damaged[MAX_DAMAGE][1100];
        uint32_t damage_count;
        uint64_t last_kind;
};

extern struct told told;
extern struct ops told_ops;

/* An image with everything that is told. */
extern const struct made_options told_rich;

/* Of cmocka. */
int told_set_up(void **state);
int told_tear_down(void **state);

/* Describe the image; nothing is written. */
enum abi_code info(uint32_t flags);

/* What the independent reader counts of a bitmap. */
uint64_t dirty_bytes(const char *name);

#endif
