/* SPDX-License-Identifier: MIT */
/* Images that qemu-img makes, and single edits of them. */
#ifndef INSTAR_TESTS_UNIT_QCOW2_EXTENSION_IMAGES_H
#define INSTAR_TESTS_UNIT_QCOW2_EXTENSION_IMAGES_H

#include "tests/unit/qcow2/extension_crash.h"

extern const struct bitmaps_body old_body;
extern const struct bitmaps_body new_body;

/* What `qemu-img create` writes: 64 KiB clusters, a feature table behind the header. */
struct test_layout plain_image(void);

/* The same with `-b NAME -F qcow2`. */
struct test_layout overlay_image(void);

/* An image with a list whose record starts that many bytes before a sector's end:
 * with 16 or 24 the body crosses from sector 1 to sector 2. */
struct test_layout crossing_image(uint32_t bytes_in_front);

void build(const struct test_layout *layout, struct test_cluster *cluster);

/* Plan, go through all crash states, and leave the cluster as it is in the end. */
void edit_cluster(struct test_cluster *cluster, const struct bitmaps_body *wanted,
                  bool publish, struct header_edit *edit, struct test_view *view);

/* The last phase. */
uint32_t phases(const struct header_edit *edit);

void assert_write(const struct header_write *write, uint32_t phase, bool is_switch,
                  uint32_t offset, uint32_t length);

/* Make `cluster->header` say what its bytes say, as far as an edit changes it. */
void reparse(struct test_cluster *cluster, const struct test_view *view,
             const struct bitmaps_body *body);

#endif
