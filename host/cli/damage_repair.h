/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_DAMAGE_REPAIR_H
#define INSTAR_HOST_CLI_DAMAGE_REPAIR_H

#include <stdbool.h>

#include "guest/abi.h"

struct damage_repair {
        bool repairable;  /* by instar */
        const char *text; /* how, or why not */
};

/* What helps against damage that was reported of an image. */
const struct damage_repair *damage_repair(const struct abi_report_image *image,
                                          const struct abi_report_damage *damage);

#endif
