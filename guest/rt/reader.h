/* SPDX-License-Identifier: MIT */
/*
 * Reading the image.  An exit costs 50-70 microseconds, so reads are queued and
 * go out together: read_queue() any number of times, then read_flush().
 * Bytes behind the end of the file read as zeros; whether that is acceptable is
 * the caller's business (range_inside() against the file size, before).
 */
#ifndef INSTAR_GUEST_RT_READER_H
#define INSTAR_GUEST_RT_READER_H

#include <stdint.h>

/* Queue image [offset, +length) -> destination.  Rings by itself when the
 * doorbell is full; a length of 0 is nothing. */
void read_queue(uint64_t offset, void *destination, uint64_t length);

/* Ring if anything is queued.  Afterwards every destination is filled. */
void read_flush(void);

#endif
