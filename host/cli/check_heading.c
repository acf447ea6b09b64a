/* SPDX-License-Identifier: MIT */
#include "host/cli/check_heading.h"

#include <string.h>

void check_heading_tell(struct check_heading *heading, struct output *output)
{
        if (!heading->path)
                return;
        output_escaped(output, heading->path, strlen(heading->path));
        output_string(output, ":\n");
        heading->path = NULL;
}
