/* SPDX-License-Identifier: MIT */
/* What several harnesses begin from: rows of a table of images to make. */
#ifndef INSTAR_FUZZ_HARNESS_MADE_KINDS_H
#define INSTAR_FUZZ_HARNESS_MADE_KINDS_H

#include "tests/native/image_maker.h"

struct made_kind {
        const char *name;
        struct made_options options;
};

#define SMALL .cluster_bits = 9, .virtual_size = 20 * 512
#define ONE                                                                              \
        .bitmap_count = 1,                                                               \
        .bitmaps = {{.name = "a", .granularity_bits = 9, .fill = MADE_DATA}}
#define TWO                                                                              \
        .bitmap_count = 2,                                                               \
        .bitmaps = {                                                                     \
            {.name = "a", .granularity_bits = 9, .fill = MADE_DATA, .flags = 2},         \
            {.name = "bb", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 1}}

/* A bitmap of which an edit has to keep more than its bits. */
#define EXTRA                                                                            \
        .name = "a", .granularity_bits = 10, .fill = MADE_ONES, .flags = 4,              \
        .extra_length = 12, .dirty_tail = true

/* Lists, headers and files that are unusual, and sound: rows. */
/* clang-format off */
#define KINDS_UNUSUAL                                                                    \
    {"emptied", {SMALL, .emptied_record = true, .record_behind = 12}},                   \
    {"stale", {SMALL, .stale = true, TWO}},                                              \
    {"short-header", {SMALL, .header_length = 104, .data_clusters = 1, TWO}},            \
    {"free", {SMALL, .free_clusters = 6, TWO}},                                          \
    {"cut", {SMALL, .cut = 60, ONE}},                                                    \
    {"in-use",                                                                           \
     {SMALL, .bitmap_count = 2,                                                          \
      .bitmaps = {{.name = "a", .granularity_bits = 9, .fill = MADE_DATA, .flags = 1},   \
                  {.name = "bb", .granularity_bits = 9, .fill = MADE_ONES}}}}
/* clang-format on */

#endif
