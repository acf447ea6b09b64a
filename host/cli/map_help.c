/* SPDX-License-Identifier: MIT */
#include "host/cli/help_parts.h"
#include "host/cli/look_options.h"

/* A line of help is a line here. */
/* clang-format off */
const char map_help[] =
    "Usage: instar map --bitmap NAME [-f FMT] [--output {human,json}] [-U]\n"
    "                  [--sandbox {kvm,process}] FILENAME\n"
    "\n"
    "Print which regions of the disk a persistent dirty bitmap marks dirty, in ascending\n"
    "order, neighbours merged.  The bitmap may be disabled, but not in use.  Nothing is\n"
    "changed.\n"
    "\n"
    "Options:\n"
    "      --bitmap NAME          the bitmap; instar info lists those of an image\n"
    HELP_FORMAT
    "      --output FORMAT        human (default): offset and length, hexadecimal;\n"
    "                             json: as qemu-img map, the dirty regions only\n"
    "  -U, --force-share          take no locks: what is printed may be out of date\n"
    HELP_SANDBOX
    HELP_HELP
    "\n"
    "On a terminal (human only) a picture of the whole disk comes first.  A blank column\n"
    "is wholly clean, a full block (where the locale is not UTF-8: @) wholly dirty.\n"
    "\n"
    "Exit codes:\n"
    "  0      all was printed\n"
    "  1      failed: the first line on stderr says why; if something was printed, it is\n"
    "         incomplete\n"
    "  2      the command line could not be parsed\n"
    "\n"
    "Environment:\n"
    "  LC_ALL, LC_CTYPE, LANG     may the picture be drawn in UTF-8?\n"
    HELP_VARIABLE_SANDBOX
    HELP_VARIABLE_DEBUG
    "\n"
    HELP_NEEDS_KVM;
/* clang-format on */
