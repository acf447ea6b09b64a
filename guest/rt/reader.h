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

/*
 * A plan whose changes reads are to show already, though nothing is written yet: told of
 * every read, and of the moment when all those before have arrived.
 */
struct read_overlay {
        void (*queued)(uint64_t offset, void *destination, uint64_t length);
        void (*arrived)(void);
};

/* From now on; NULL: reads show the image as it is. */
void read_through(const struct read_overlay *overlay);

#endif
