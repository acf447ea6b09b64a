/* SPDX-License-Identifier: MIT */
#include "host/cli/environment.h"

#include <stdlib.h>

const char *environment_journal_directory(const char *option)
{
        const char *variable = getenv("INSTAR_JOURNAL_DIR");

        if (option)
                return option;
        return variable && *variable ? variable : NULL;
}
