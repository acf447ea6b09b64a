/* SPDX-License-Identifier: MIT */
#include "host/cli/help_parts.h"
#include "host/cli/resize_options.h"

/* A line of help is a line here. */
/* clang-format off */
const char resize_help[] =
    "Usage: instar resize [--shrink] [-f FMT] [--output {human,json}] [-q]\n"
    "                     [--sandbox {kvm,process}] FILENAME [+|-]SIZE\n"
    "\n"
    "Make the disk of a qcow2 image larger or smaller: as a whole, or not at all.  SIZE is\n"
    "in bytes, with a suffix k M G T P E or without; with a sign it is relative.\n"
    "\n"
    "Options:\n"
    "      --shrink               the disk may become smaller: all data behind its new end\n"
    "                             is deleted\n"
    HELP_FORMAT
    "      --output FORMAT        human (default) or json\n"
    "  -q, --quiet                do not say that it was done\n"
    HELP_OWNERSHIP
    HELP_JOURNAL
    HELP_MEMORY
    HELP_SANDBOX
    HELP_HELP
    "\n"
    "Refused: images with persistent dirty bitmaps, or with an external data file; with\n"
    "internal snapshots where data would be cut off; with a backing file where it would\n"
    "show in the new area.\n"
    "\n"
    HELP_EDIT_EXIT_CODES
    "\n"
    "Environment:\n"
    HELP_VARIABLE_JOURNAL
    HELP_VARIABLE_STATE
    HELP_VARIABLE_SANDBOX
    HELP_VARIABLE_DEBUG
    "\n"
    HELP_NEEDS_KVM;
/* clang-format on */
