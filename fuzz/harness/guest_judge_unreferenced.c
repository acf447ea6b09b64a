/* SPDX-License-Identifier: MIT */
/* What nothing refers to may be anything: no reader sees the difference. */
#include <string.h>

#include "fuzz/counts.h"
#include "fuzz/harness/guest_run.h"
#include "tests/native/reader.h"

#define MOST 65536u /* bytes of each range that are overwritten */

static void overwrite(const struct guest_run *run, struct native_image *image)
{
        static uint8_t garbage[MOST];
        memset(garbage, 0xa5, sizeof garbage);
        for (uint32_t i = 0; i < run->call.range_count; i++) {
                const struct abi_range *range = &run->call.ranges[i];
                uint64_t size = image->size;
                uint64_t left = range->offset < size ? size - range->offset : 0;
                left = left < range->length ? left : range->length;
                native_image_write(image, range->offset, garbage,
                                   left < MOST ? left : MOST);
        }
}

/* Where QEMU opens the image: else nobody reads the list, nor snapshots.  A stale list is
 * nobody's, either. */
static void compare(const struct guest_run *run, const struct read_image *before,
                    const struct read_image *now)
{
        const char *difference = read_difference(before, now);
        if (before->error[0] || before->stale)
                return;
        fuzz_count(FUZZ_JUDGED);
        if (now->error[0])
                guest_run_complain(run, "referred to: %s", now->error);
        if (difference || !read_same_list(before, now))
                guest_run_complain(run, "referred to: %s",
                                   difference ? difference : "bitmaps");
}

void guest_judge_unreferenced(struct guest_run *run)
{
        struct read_image before;
        struct read_image now;
        struct guest_told check;
        guest_run_check(run, run->image, &check);
        read_image(run->image, &before);
        overwrite(run, run->image);
        guest_judge_disk(run);
        read_image(run->image, &now);
        if (check.has_sums && !check.sums.incomplete)
                compare(run, &before, &now);
        read_image_free(&now);
        read_image_free(&before);
}
