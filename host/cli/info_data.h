/* SPDX-License-Identifier: MIT */
/*
 * What QEMU calls the format specific information, the same tree in both views: its
 * members go into the object that is open, as they are reported.
 *
 *     info_data_begin(), info_data_bitmap()..., info_data_damage()..., info_data_end()
 */
#ifndef INSTAR_HOST_CLI_INFO_DATA_H
#define INSTAR_HOST_CLI_INFO_DATA_H

#include "host/cli/info_view.h"

/* Once; those below call it where that was not done. */
void info_data_begin(struct info *info);

void info_data_bitmap(struct info *info, const struct info_bitmap *bitmap);
void info_data_damage(struct info *info, const struct info_damage *damage);

/* Whatever was not written yet. */
void info_data_end(struct info *info);

#endif
