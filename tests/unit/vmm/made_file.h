/* SPDX-License-Identifier: MIT */
/* A made image in a file, open and locked, for what looks at an image in a machine. */
#ifndef INSTAR_TESTS_UNIT_VMM_MADE_FILE_H
#define INSTAR_TESTS_UNIT_VMM_MADE_FILE_H

#include <sys/stat.h>

#include "host/image/image.h"
#include "tests/native/image_maker.h"

#define MADE_FILE_CLUSTER 4096ull

struct made_file {
        char path[64];
        struct native_image made; /* to be changed, then saved */
        struct made_places places;
        struct image image;
        struct stat before;  /* of the file, as it was saved */
        bool process_beside; /* the test has a machine that is a process */
};

/* cmocka setup and teardown: data, a snapshot and a bitmap. */
int made_file_set_up(void **state);
int made_file_tear_down(void **state);

/* The image as it is now in memory, in the file, opened and locked anew. */
void made_file_save(struct made_file *f);

/* The offset of the L2 table that maps the first clusters. */
uint64_t made_file_l2(const struct made_file *f);

/* Nothing has been written since, and no child is left behind but the test's own. */
void made_file_assert_untouched(const struct made_file *f);

#endif
