/* SPDX-License-Identifier: MIT */
/*
 * An input of the harness `doorbell`: a head, then pieces, most of them one request of
 * the guest each.  Whatever the bytes are, most pieces are requests that may be in order:
 * operations, steps, flags and ranges are taken modulo a few, fingerprints are right.
 * Only what is raw can be anything.
 *
 *     head   size:2 seed:1 ending:1 fault:1 flags:1 signal:1 unused:1
 *     piece  op:1 how:1 step:1 flags:1 offset:2 length:2 addr:2 value:2    little-endian
 */
#ifndef INSTAR_FUZZ_HARNESS_DOORBELL_INPUT_H
#define INSTAR_FUZZ_HARNESS_DOORBELL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOORBELL_HEAD       8u
#define DOORBELL_PIECE      12u
#define DOORBELL_PIECES_MAX 2048u
#define DOORBELL_IMAGE_MAX  (32u << 10) /* of the image at the beginning */

enum doorbell_ending {
        DOORBELL_ENDS, /* transaction_end() */
        DOORBELL_DIES, /* the process is killed there: recovery */
        DOORBELL_ENDINGS
};

/* doorbell_head.flags */
#define DOORBELL_FAULT_STAYS 1u  /* not only the one call fails, all behind it too */
#define DOORBELL_DEVICE      2u  /* the image is a block device */
#define DOORBELL_LOOKS       4u  /* the program may only look */
#define DOORBELL_REPORTS     8u  /* somebody takes reports */
#define DOORBELL_TIRED       16u /* the bounds of a run are nearly reached */
#define DOORBELL_NO_SPACE    32u /* for more than a few sectors */

struct doorbell_head {
        uint16_t size; /* bytes of the image */
        uint8_t seed;  /* of its content */
        uint8_t ending;
        uint8_t fault; /* this call of the image's I/O fails, counted from 1; 0: none */
        uint8_t flags;
        uint8_t signal; /* before this request a signal has come; 0: none */
};

/* doorbell_piece.op beside those of guest/abi.h; in the input modulo 16, and from
 * DOORBELL_RAW_BYTE on only its lower half counts, whether there is such a one or not */
#define DOORBELL_POKE     11u /* the guest fills [addr, +length) from `value` on */
#define DOORBELL_COUNT    12u /* ring with a number of requests that is `length` */
#define DOORBELL_UNKNOWN  16u /* this, and up to 15 more: the operations of raw ones */
#define DOORBELL_RAW_BYTE 0xf0u

/* doorbell_piece.how */
#define DOORBELL_RING         1u /* behind this request */
#define DOORBELL_OFFSET_BYTES 2u /* else sectors */
#define DOORBELL_LENGTH_BYTES 4u
#define DOORBELL_RAW          128u /* these count, and ranges may be large: */
#define DOORBELL_WRONG        8u   /* no right fingerprint; of BEGIN, no right size */
#define DOORBELL_EDGE_OFFSET  16u  /* one of a table, and a little more or less */
#define DOORBELL_EDGE_LENGTH  32u
#define DOORBELL_EDGE_ADDR    64u
#define DOORBELL_EDGES        (16u | 32u | 64u) /* all: and the reserved field is not 0 */

struct doorbell_piece {
        uint8_t op;
        uint8_t how;
        uint8_t step;
        uint8_t flags;
        uint16_t offset;
        uint16_t length;
        uint16_t addr; /* in units of 64 bytes from the arena's beginning */
        uint16_t value;
};

/* Of DOORBELL_HEAD bytes. */
struct doorbell_head doorbell_head_decode(const uint8_t *bytes);
void doorbell_head_encode(const struct doorbell_head *head, uint8_t *bytes);

/* Of DOORBELL_PIECE bytes. */
struct doorbell_piece doorbell_piece_decode(const uint8_t *bytes);
void doorbell_piece_encode(const struct doorbell_piece *piece, uint8_t *bytes);

/* DOORBELL_WRONG, or one of DOORBELL_EDGE_*, counts. */
bool doorbell_piece_is(const struct doorbell_piece *piece, uint8_t how);

/* The numbers that the piece stands for; `size` is the image's now. */
uint32_t doorbell_piece_operation(const struct doorbell_piece *piece);
uint32_t doorbell_piece_step(const struct doorbell_piece *piece);
uint32_t doorbell_piece_flags(const struct doorbell_piece *piece);
uint64_t doorbell_piece_offset(const struct doorbell_piece *piece, uint64_t size);
uint64_t doorbell_piece_length(const struct doorbell_piece *piece, uint64_t size);
uint64_t doorbell_piece_address(const struct doorbell_piece *piece);

#endif
