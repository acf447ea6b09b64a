/* SPDX-License-Identifier: MIT */
/*
 * What an input of the guest harness means: a call, and an image in pieces.
 *
 * Every field has its place whatever the others say, so that a mutation changes one
 * thing. Numbers are little-endian.
 *
 *     0   operation        enum guest_operation, modulo their number
 *     1   host             bit 0: the image is a block device
 *     2   flags            16 bits of abi_call.flags, but for the block device's
 *     4   failing write    the n-th write fails; 0: none does
 *     5   actions          their number, modulo 9
 *     6   action[8]        enum abi_action, or a number that is none
 *    14   granularity      0: the default; below 64: 1 << n; else a number that is odd
 *    15   target           a name: see guest_names.h
 *    16   sources          their number, modulo 9
 *    17   source[8]        names
 *    25   columns          of the map's picture
 *    26   size mode        enum abi_size_mode, or a number that is none
 *    27   ranges           their number, modulo 5
 *    28   size             64 bits: resize
 *    36   image size       32 bits, bytes, modulo GUEST_INPUT_MAX_IMAGE + 1
 *    40   range[4]         first sector (32 bits, modulo GUEST_INPUT_SECTORS), number of
 *                           sectors, less one (16 bits)
 *    64   pieces           each: its place in units of 64 bytes (16 bits), 64 bytes
 *
 * What no piece covers is a hole.  The last piece may be short.
 */
#ifndef INSTAR_FUZZ_HARNESS_GUEST_INPUT_H
#define INSTAR_FUZZ_HARNESS_GUEST_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/abi.h"

enum guest_operation {
        GUEST_BITMAP,
        GUEST_CHECK,
        GUEST_REPAIR,
        GUEST_RESIZE,
        GUEST_INFO,
        GUEST_MAP,
        GUEST_UNREFERENCED,
        GUEST_OPERATIONS
};

#define GUEST_INPUT_CALL      64u
#define GUEST_INPUT_PIECE     64u
#define GUEST_INPUT_STRIDE    (2u + GUEST_INPUT_PIECE)
#define GUEST_INPUT_MAX_IMAGE (8u << 20)
#define GUEST_INPUT_RANGES    4u
/* Ranges begin at most so far behind the end: the proof takes time in proportion. */
#define GUEST_INPUT_SECTORS (2 * GUEST_INPUT_MAX_IMAGE / ABI_SECTOR)

struct guest_input {
        uint8_t operation;
        uint8_t host;
        uint16_t flags;
        uint8_t fail_write;
        uint8_t action_count;
        uint8_t actions[8];
        uint8_t granularity;
        uint8_t target;
        uint8_t source_count;
        uint8_t sources[8];
        uint8_t columns;
        uint8_t size_mode;
        uint8_t range_count;
        uint64_t size;
        uint32_t image_size;
        struct {
                uint32_t sector;
                uint16_t sectors;
        } ranges[GUEST_INPUT_RANGES];
};

/* The call's part; false where there are not even that many bytes. */
bool guest_input_decode(const uint8_t *data, size_t size, struct guest_input *input);

/* The other way round: GUEST_INPUT_CALL bytes. */
void guest_input_encode(const struct guest_input *input, uint8_t *data);

/* Piece `index` of an input: its offset in the image, its bytes and their number; 0 where
 * there is none. */
uint32_t guest_input_piece(const uint8_t *data, size_t size, size_t index,
                           uint64_t *offset, const uint8_t **bytes);

#endif
