/* SPDX-License-Identifier: MIT */
#include "host/cli/help_parts.h"
#include "host/cli/look_options.h"

/* A line of help is a line here. */
/* clang-format off */
const char info_help[] =
    "Usage: instar info [-f FMT] [--output {human,json}] [-U] [--count]\n"
    "                   [--sandbox {kvm,process}] FILENAME\n"
    "\n"
    "Tell about a qcow2 image what qemu-img info tells, and about its bitmaps more: the\n"
    "keys that qemu-img does not have begin with instar-.  An image with damaged bitmaps\n"
    "is described, with what is wrong and what helps.  Nothing is changed, and no file that\n"
    "the image names is opened.\n"
    "\n"
    "Options:\n"
    HELP_FORMAT
    "      --output FORMAT        human (default) or json\n"
    "  -U, --force-share          take no locks: what is printed may be out of date\n"
    "      --count                read the bitmaps, too: how much of the disk is dirty, how\n"
    "                             much of the file they take\n"
    HELP_SANDBOX
    HELP_HELP
    "\n"
    "On a terminal, bytes of a name that could steer it are shown as \\xNN.\n"
    "\n"
    "Exit codes:\n"
    "  0      the image was described, whatever is wrong with it\n"
    "  1      it was not: the first line on stderr says why\n"
    "  2      the command line could not be parsed\n"
    "\n"
    "Environment:\n"
    "  INSTAR_JOURNAL_DIR         a folder where an undo journal of the image may lie, too\n"
    HELP_VARIABLE_STATE
    HELP_VARIABLE_SANDBOX
    HELP_VARIABLE_DEBUG
    "\n"
    HELP_NEEDS_KVM;
/* clang-format on */
