/* SPDX-License-Identifier: MIT */
/*
 * `instar map` on a terminal: the whole disk in one line, and a scale below it.
 *
 *     dirty: 640 GiB of 16 TiB (3.91 %)
 *     |▁  ▃█      ▂                            |
 *     0                 8 TiB             16 TiB
 *
 * A blank column is wholly clean, a full one wholly dirty; every other shows at least the
 * lowest step.
 */
#ifndef INSTAR_HOST_CLI_MAP_PICTURE_H
#define INSTAR_HOST_CLI_MAP_PICTURE_H

#include <stdbool.h>

#include "guest/abi.h"
#include "host/cli/output.h"

/* The columns to ask for, on a terminal of this width: 0 if it has no room for a picture.
 */
uint32_t map_picture_columns(unsigned int terminal_width);

/* Are the numbers possible: do the columns cover the disk, and is no more of one dirty
 * than there is of it?  `dirty`: bytes, one number a column. */
bool map_picture_is_sound(const struct abi_report_picture *facts, const uint64_t *dirty);

/* Draw a sound one: with block characters, or with those of ASCII. */
void map_picture_draw(struct output *output, const struct abi_report_picture *facts,
                      const uint64_t *dirty, bool utf8);

#endif
