/* SPDX-License-Identifier: MIT */
/*
 * What an input of the journal harness means: how a journal's file is made, of an edit
 * that came so far, and what becomes of its recovery.
 *
 * Every field has its place whatever the others say.  Numbers are little-endian.
 *
 *     0   mode             modulo 4: enum journal_mode
 *     1   file             JOURNAL_FILE_*
 *     2   examiner         its proof, modulo 4 (3: none is made); its check, / 4 modulo 5
 *     3   ending           sector 1: 0 absent, else its kind; modulo 5
 *     4   old size         16 bits, bytes, modulo JOURNAL_INPUT_MAX_IMAGE + 1
 *     6   growth           16 bits, bytes, as much of it as there is room for
 *     8   applied          how many changes the edit has applied
 *     9   state            JOURNAL_STATE_*
 *    10   cut              recovery is cut off before its change of that number
 *    11   fault            its call of the image of that number fails; 0: none does
 *    12   holes            which sectors of the old image are zeros, of each 8
 *    13   second cut       the next one, too, before its change of that number, less one;
 *                          0: not
 *    14   size             16 bits: not 0: the image has another size than the edit gave
 *    16   sectors          32 bits: those of the last step that were written
 *    20   (unused)
 *    24   chosen           64 bits: what is there after the power went
 *    32   pieces           each 16 bytes; in the other modes, the file's bytes
 */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_INPUT_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_INPUT_HEAD        32u
#define JOURNAL_INPUT_PIECE       16u
#define JOURNAL_INPUT_PIECES      64u
#define JOURNAL_INPUT_SECTORS     64u
#define JOURNAL_INPUT_MAX_IMAGE   (JOURNAL_INPUT_SECTORS * 512u)
#define JOURNAL_INPUT_MAX_JOURNAL (2048u * 512u)

enum journal_mode {
        JOURNAL_DESCRIBED, /* pieces */
        JOURNAL_RAW,       /* bytes */
        JOURNAL_SEALED,    /* bytes; tags and checksums of sectors are made to hold */
        JOURNAL_DESCRIBED_TOO
};

#define JOURNAL_FILE_WRITABLE 1u  /* by others */
#define JOURNAL_FILE_LINKED   2u  /* more than once */
#define JOURNAL_FILE_BUSY     4u  /* its writer lives */
#define JOURNAL_FILE_OTHERS   8u  /* of another image */
#define JOURNAL_FILE_DISCARD  16u /* as the user says */

#define JOURNAL_STATE_UNSYNCED 1u /* the last step */
#define JOURNAL_STATE_POWER    2u /* the power went, not the process alone */
#define JOURNAL_STATE_POWER_2  4u /* the same when recovery was cut off */
#define JOURNAL_STATE_FAILED   8u /* the last step's sync failed: nobody will write it */
#define JOURNAL_STATE_FAULTS                                                             \
        16u /* all calls of the image from the failing one on fail                       \
             */

/* One piece:
 *
 *     0   kind             modulo their number
 *     1   flags
 *     2   more steps
 *     3   sectors          their number, less one
 *     4   where            16 bits: a sector; an offset
 *     6   content          16 bits
 *     8   value            64 bits
 */
enum journal_piece_kind {
        JOURNAL_PIECE_CHANGE,
        JOURNAL_PIECE_SWITCH,
        JOURNAL_PIECE_CLOSE,
        JOURNAL_PIECE_CLAIM,
        JOURNAL_PIECE_RECORD,  /* a field of the last record; batches' sums take it in */
        JOURNAL_PIECE_FILE,    /* bytes of the file, when all is made */
        JOURNAL_PIECE_LOST,    /* a sector that was never written */
        JOURNAL_PIECE_STALE,   /* or that is another transaction's */
        JOURNAL_PIECE_SIZE,    /* of the file */
        JOURNAL_PIECE_FOREIGN, /* another program writes to the image */
        JOURNAL_PIECE_KINDS
};

/* JOURNAL_PIECE_CHANGE and _SWITCH */
#define JOURNAL_CHANGE_MANY    1u  /* 8 sectors for each */
#define JOURNAL_CHANGE_OLD     2u  /* old content: not what is there */
#define JOURNAL_CHANGE_KIND    12u /* with that: which kind of it, modulo 4 */
#define JOURNAL_CHANGE_SAME    16u /* new content: what is there */
#define JOURNAL_CHANGE_ZEROS   32u /* zeros */
#define JOURNAL_CHANGE_CONTENT 64u /* what `content` says, which may have been there */

/* JOURNAL_PIECE_CLOSE: what `value` is added to */
#define JOURNAL_CLOSE_COUNT 1u
#define JOURNAL_CLOSE_BATCH 2u

/* JOURNAL_PIECE_FOREIGN */
#define JOURNAL_FOREIGN_ZEROS    1u
#define JOURNAL_FOREIGN_UNSYNCED 2u

/* JOURNAL_PIECE_RECORD and _FILE */
#define JOURNAL_POKE_WIDTH 3u /* 1, 2, 4 or 8 bytes */
#define JOURNAL_POKE_ADD   4u /* not instead of what is there */
#define JOURNAL_POKE_SEAL  8u /* _FILE: the sector's checksum holds */

struct journal_input {
        uint8_t mode;
        uint8_t file;
        uint8_t examiner;
        uint8_t ending;
        uint32_t old_size;
        uint32_t final_size;
        uint8_t applied;
        uint8_t state;
        uint8_t cut;
        uint8_t fault;
        uint8_t holes;
        uint8_t second_cut;
        uint16_t size;
        uint32_t sectors;
        uint64_t chosen;
        const uint8_t *rest;
        size_t rest_length;
};

struct journal_piece {
        uint8_t kind;
        uint8_t flags;
        uint8_t steps;
        uint8_t sectors;
        uint16_t where;
        uint16_t content;
        uint64_t value;
};

/* False where there is no head. */
bool journal_input_decode(const uint8_t *data, size_t size, struct journal_input *input);

/* Piece `index`; false where there is none. */
bool journal_input_piece(const struct journal_input *input, size_t index,
                         struct journal_piece *piece);

/* The other way round: JOURNAL_INPUT_HEAD and JOURNAL_INPUT_PIECE bytes. */
void journal_input_encode(const struct journal_input *input, uint8_t *data);
void journal_input_encode_piece(const struct journal_piece *piece, uint8_t *data);

#endif
