/* SPDX-License-Identifier: MIT */
/* Writes into the header cluster, with the copy in memory kept up to date. */
#ifndef INSTAR_GUEST_QCOW2_HEADER_PATCH_H
#define INSTAR_GUEST_QCOW2_HEADER_PATCH_H

#include "guest/qcow2/image.h"

/* Assert what was parsed of the header cluster: up to END and the backing name. */
void header_assert(const struct image *image);

/* Emit a write of `bytes` at `offset` in the header cluster, which must have been
 * read there (header_need()).  ABI_TOO_LARGE if the arena is exhausted. */
enum abi_code header_patch(struct image *image, uint32_t step, uint32_t flags,
                           uint32_t offset, const void *bytes, uint32_t length);

/* "autoclear_features": software that does not know a bit must clear it before it
 * writes.  Emits a step of its own, applied, if there is any; then the header has
 * only known bits. */
enum abi_code header_clear_autoclear(struct image *image, uint32_t step);

#endif
