/* SPDX-License-Identifier: MIT */
/*
 * Where several images are checked, what stderr has of one of them stands below its path:
 * the lines are qemu-img's, which checks one image alone.  The heading comes with the
 * first of them, so that nothing is said of an image that nothing is wrong with.
 */
#ifndef INSTAR_HOST_CLI_CHECK_HEADING_H
#define INSTAR_HOST_CLI_CHECK_HEADING_H

#include "host/cli/output.h"

struct check_heading {
        const char *path; /* NULL: there is none, or it is told */
};

/* Before a line that stands below it. */
void check_heading_tell(struct check_heading *heading, struct output *output);

#endif
