/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/cut_images.h"

#include <stdlib.h>

#include "fuzz/harness/made_kinds.h"

#define BACKING "../base/of/all/images.qcow2"

static const struct made_kind kinds[] = {
    {"two", {SMALL, .data_clusters = 3, TWO}},
    {"none", {SMALL, .data_clusters = 3}},
    {"backing", {SMALL, .data_clusters = 2, .backing = BACKING, TWO}},
    {"backing-none", {SMALL, .data_clusters = 2, .backing = BACKING}},
    {"two-sectors",
     {.cluster_bits = 12,
      .virtual_size = 64 * 512,
      .data_clusters = 2,
      .record_before = 344,
      .backing = BACKING}},
    {"two-sectors-plain",
     {.cluster_bits = 12,
      .virtual_size = 64 * 512,
      .data_clusters = 2,
      .record_before = 376}},
    {"snapshots", {SMALL, .data_clusters = 2, .snapshots = 2, TWO}},
    {"records", {SMALL, .record_before = 20, .record_behind = 12, TWO}},
    {"records-one", {SMALL, .record_before = 20, .record_behind = 12, ONE}},
    {"large-records",
     {.cluster_bits = 12, .virtual_size = 64 * 512, .record_behind = 500, ONE}},
    KINDS_UNUSUAL,
    {"extra",
     {SMALL, .bitmap_count = 2,
      .bitmaps = {{EXTRA}, {.name = "bb", .granularity_bits = 10, .fill = MADE_DATA}}}},
    {"unknown-autoclear", {SMALL, .autoclear = 1ull << 40, TWO}},
    {"unknown-autoclear-none", {SMALL, .autoclear = 1ull << 40}},
    {"full-block",
     {.cluster_bits = 9, .virtual_size = 300 * 512, .data_clusters = 238, TWO}},
    {"full-block-none",
     {.cluster_bits = 9, .virtual_size = 300 * 512, .data_clusters = 245}},
    {"table",
     {.cluster_bits = 9,
      .virtual_size = 4 << 20,
      .bitmap_count = 2,
      .bitmaps = {{.name = "a", .granularity_bits = 9, .fill = MADE_SPARSE},
                  {.name = "bb", .granularity_bits = 9, .fill = MADE_ONES}}}},
    {"six",
     {.cluster_bits = 9,
      .virtual_size = 40 * 512,
      .bitmap_count = 6,
      .bitmaps = {{.name = "a", .granularity_bits = 9, .fill = MADE_DATA},
                  {.name = "bb", .granularity_bits = 9, .fill = MADE_ONES},
                  {.name = "a-longer-name-that-fills-the-directory-up",
                   .fill = MADE_DATA},
                  {.name = "and-another-one-of-these-names-0123456789", .flags = 2},
                  {.name = "c", .granularity_bits = 9, .fill = MADE_SPARSE, .seed = 3},
                  {.name = "dd", .granularity_bits = 9}}}},
    {"clusters-4k",
     {.cluster_bits = 12, .virtual_size = 1 << 20, .data_clusters = 1, TWO}},
    {"clusters-64k", {.cluster_bits = 16, .virtual_size = 1 << 20, TWO}},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

unsigned int cut_images_count(void)
{
        return KINDS;
}

const char *cut_images_name(unsigned int index)
{
        return kinds[index].name;
}

const struct native_image *cut_images_get(unsigned int index)
{
        static struct native_image images[KINDS];
        struct native_image *image = &images[index];
        if (image->bytes)
                return image;
        if (!native_image_create(image, CUT_CAPACITY, 512))
                abort();
        make_image(image, &kinds[index].options, NULL);
        return image;
}
