/* SPDX-License-Identifier: MIT */
/* From the bits of a bitmap to the dirty extents of the disk. */
#ifndef INSTAR_GUEST_OPS_MAP_EXTENTS_H
#define INSTAR_GUEST_OPS_MAP_EXTENTS_H

#include "guest/qcow2/bitmap_walk.h"

/* Told of every dirty extent [start, end) of the disk, in bytes, in order; neighbours
 * are one extent. */
typedef void extent_sink(void *context, uint64_t start, uint64_t end);

/*
 * Walk through a checked bitmap of this granularity, over a disk of `size` bytes.
 * ABI_OK, or ABI_HEADER_CHANGED if the table is not what it was.
 */
enum abi_code map_extents(struct bitmap_walk *walk, uint32_t granularity_bits,
                          uint64_t size, extent_sink *sink, void *context);

#endif
