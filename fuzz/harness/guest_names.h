/* SPDX-License-Identifier: MIT */
/*
 * Names of bitmaps, as one byte of an input chooses them: below 128 the n-th of the
 * image's own, where it has so many; from 128 on one of a few that are odd, or new.
 */
#ifndef INSTAR_FUZZ_HARNESS_GUEST_NAMES_H
#define INSTAR_FUZZ_HARNESS_GUEST_NAMES_H

#include "guest/abi.h"
#include "tests/native/native_image.h"

/* Writes at most ABI_MAX_NAME bytes; returns how many. */
uint32_t guest_name(const struct native_image *image, uint8_t choice, uint8_t *name);

/* The call's merge sources: as many of these as there is room for. */
void guest_sources(const struct native_image *image, const uint8_t *choices,
                   uint32_t count, struct abi_call *call);

#endif
