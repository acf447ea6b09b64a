/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_INFO_DAMAGE_H
#define INSTAR_HOST_CLI_INFO_DAMAGE_H

#include "host/cli/info_view.h"

/* Something that is wrong, as an object in the array that is open: what and where,
 * whether it can be repaired, and how. */
void info_damage_write(struct tree_writer *tree, const struct abi_report_image *image,
                       const struct info_damage *damage);

#endif
