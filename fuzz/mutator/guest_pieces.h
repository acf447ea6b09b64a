/* SPDX-License-Identifier: MIT */
/*
 * An input of the guest harness as something to change: its image is read and written at
 * offsets; what is written where there was a hole becomes a piece.
 */
#ifndef INSTAR_FUZZ_MUTATOR_GUEST_PIECES_H
#define INSTAR_FUZZ_MUTATOR_GUEST_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_pieces {
        uint8_t *data;
        size_t size; /* at least GUEST_INPUT_CALL; whole pieces */
        size_t room;
        uint64_t random; /* not 0 */
};

uint64_t mutate_random(struct guest_pieces *p, uint64_t limit); /* 0 .. limit - 1 */

uint32_t pieces_count(const struct guest_pieces *p);

/* Bytes of the image from a big-endian number's offset; zeros in holes. */
uint64_t pieces_load(const struct guest_pieces *p, uint64_t offset, uint32_t bytes);

/* False where the input has no more room. */
bool pieces_store(struct guest_pieces *p, uint64_t offset, uint64_t value,
                  uint32_t bytes);

/* Where piece `index` lies in the image; and put it elsewhere. */
uint64_t pieces_offset(const struct guest_pieces *p, uint32_t index);
void pieces_move(struct guest_pieces *p, uint32_t index, uint64_t offset);
void pieces_drop(struct guest_pieces *p, uint32_t index);
bool pieces_copy(struct guest_pieces *p, uint32_t index, uint64_t offset);

#endif
