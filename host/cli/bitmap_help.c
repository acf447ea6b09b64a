/* SPDX-License-Identifier: MIT */
#include "host/cli/bitmap_options.h"
#include "host/cli/help_parts.h"

/* A line of help is a line here. */
/* clang-format off */
const char bitmap_help[] =
    "Usage: instar bitmap (--add | --remove | --clear | --enable | --disable |\n"
    "                      --merge SOURCE)... [-g GRANULARITY] [-f FMT]\n"
    "                     [--output {human,json}] [--sandbox {kvm,process}]\n"
    "                     FILENAME BITMAP\n"
    "       instar bitmap --remove-all [-f FMT] [--output {human,json}]\n"
    "                     [--sandbox {kvm,process}] FILENAME\n"
    "\n"
    "Change a persistent dirty bitmap of a qcow2 image: all actions, in the order given,\n"
    "or nothing at all.  FILENAME is the path of the image, BITMAP the bitmap's name.\n"
    "\n"
    "Actions (at most 8; all --merge together are one, and must be the only one):\n"
    "      --add                  create a new (enabled, empty) bitmap\n"
    "      --remove               delete the bitmap and free its clusters\n"
    "      --clear                reset the bitmap's bits to zero\n"
    "      --enable               set the bitmap's auto flag (record)\n"
    "      --disable              clear the bitmap's auto flag (stop)\n"
    "      --merge SOURCE         OR the set bits of SOURCE, a bitmap of the same image and\n"
    "                             granularity, into the bitmap; up to 8 times\n"
    "      --remove-all           delete every bitmap of the image, whatever its state; the\n"
    "                             only action then, and no BITMAP is named\n"
    "\n"
    "Options:\n"
    "  -g, --granularity BYTES    granularity for --add: a power of two from 512 to 2G;\n"
    "                             suffixes k M G T P E; the last -g counts\n"
    HELP_FORMAT
    "      --output FORMAT        human (default: silent) or json\n"
    HELP_OWNERSHIP
    HELP_JOURNAL
    HELP_MEMORY
    HELP_SANDBOX
    HELP_HELP
    "\n"
    "Not yet supported: --object OBJECT, --image-opts, -b/--source-file FILE,\n"
    "-F/--source-format FMT.\n"
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
