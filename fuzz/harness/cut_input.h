/* SPDX-License-Identifier: MIT */
/*
 * What an input of the cut harness means: an image out of a few, and operations on it,
 * one after the other, each of which may be cut off.
 *
 * Every field has its place whatever the others say.  Numbers are little-endian.
 *
 *     0   image            modulo their number
 *     1   host             bit 0: it is on a block device
 *     2   (unused)
 *     4   steps            each 32 bytes
 *
 * A step:
 *
 *     0   operation        enum cut_operation, modulo their number
 *     1   flags            CUT_FLAG_*
 *     2   actions          their number, less one, modulo 4
 *     3   action[4]        enum abi_action, modulo their number
 *     7   target           a name: see guest_names.h
 *     8   granularity      0: the default; else 1 << (9 + n % 8)
 *     9   sources          their number, modulo 4
 *    10   source[3]        names
 *    13   (unused)
 *    14   cut              16 bits; 0: none; else the power goes, or the process, behind
 *                          this many events, less one, modulo one more than there are
 *    16   chosen           64 bits, over and over: which sectors, sizes and holes of what
 *                          was not synced then are there
 *    24   size             16 bits, sectors, less one, modulo CUT_INPUT_SECTORS: resize
 *    26   second cut       recovery is cut off before its change of that number; 0: not
 *    27   (unused)
 */
#ifndef INSTAR_FUZZ_HARNESS_CUT_INPUT_H
#define INSTAR_FUZZ_HARNESS_CUT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cut_operation { CUT_BITMAP, CUT_RESIZE, CUT_REPAIR, CUT_OPERATIONS };

#define CUT_FLAG_NO_SCAN    1u  /* ABI_CALL_NO_OWNERSHIP_SCAN */
#define CUT_FLAG_ALL        2u  /* ABI_CALL_REPAIR_ALL */
#define CUT_FLAG_RESET      4u  /* ABI_CALL_RESET_DAMAGED */
#define CUT_FLAG_SHRINK     8u  /* ABI_CALL_SHRINK */
#define CUT_FLAG_FEW        16u /* the journal has no step yet that was not begun */
#define CUT_FLAG_REMOVE_ALL 32u /* instead of the actions */
#define CUT_FLAG_PROCESS    64u /* the power stays: nothing is lost */

#define CUT_INPUT_HEAD    4u
#define CUT_INPUT_STEP    32u
#define CUT_INPUT_STEPS   6u
#define CUT_INPUT_ACTIONS 4u
#define CUT_INPUT_SOURCES 3u
#define CUT_INPUT_SECTORS 8192u /* an L1 table of several clusters of 512 bytes */

struct cut_step {
        uint8_t operation;
        uint8_t flags;
        uint8_t action_count;
        uint8_t actions[CUT_INPUT_ACTIONS];
        uint8_t target;
        uint8_t granularity;
        uint8_t source_count;
        uint8_t sources[CUT_INPUT_SOURCES];
        uint16_t cut;
        uint64_t chosen;
        uint16_t size;
        uint8_t second_cut;
};

/* Step `index`; false where there is none. */
bool cut_input_step(const uint8_t *data, size_t size, size_t index,
                    struct cut_step *step);

/* The other way round: CUT_INPUT_STEP bytes. */
void cut_input_encode(const struct cut_step *step, uint8_t *data);

#endif
