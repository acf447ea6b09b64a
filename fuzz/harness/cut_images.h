/* SPDX-License-Identifier: MIT */
/* The images that the cut harness begins with: small ones, of every kind of shape. */
#ifndef INSTAR_FUZZ_HARNESS_CUT_IMAGES_H
#define INSTAR_FUZZ_HARNESS_CUT_IMAGES_H

#include "tests/native/native_image.h"

#define CUT_CAPACITY (64ull << 20)

unsigned int cut_images_count(void);

/* Its name, for seeds. */
const char *cut_images_name(unsigned int index);

/* Made once. */
const struct native_image *cut_images_get(unsigned int index);

#endif
