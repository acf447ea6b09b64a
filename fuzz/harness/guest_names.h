/* SPDX-License-Identifier: MIT */
/*
 * Names of bitmaps, as one byte of an input chooses them: below 128 the n-th of the
 * image's own, where it has so many; from 128 on one of a few that are odd, or new.
 */
#ifndef INSTAR_FUZZ_HARNESS_GUEST_NAMES_H
#define INSTAR_FUZZ_HARNESS_GUEST_NAMES_H

#include "tests/native/native_image.h"

/* Writes at most ABI_MAX_NAME bytes; returns how many. */
uint32_t guest_name(const struct native_image *image, uint8_t choice, uint8_t *name);

#endif
