/* SPDX-License-Identifier: MIT */
/* What the help texts of several subcommands say in the same words. */
#ifndef INSTAR_HOST_CLI_HELP_PARTS_H
#define INSTAR_HOST_CLI_HELP_PARTS_H

/* A line of help is a line here. */
/* clang-format off */

#define HELP_FORMAT \
        "  -f, --format FMT           format of the image: qcow2 only\n"

#define HELP_OWNERSHIP \
        "      --no-ownership-scan    do not read the L2 tables before freeing clusters: for\n" \
        "                             images that are known to be clean\n"

#define HELP_JOURNAL \
        "      --journal-dir DIR      keep the undo journal in DIR\n" \
        "      --discard-journal      give up the undo journal of an interrupted edit and keep\n" \
        "                             the image as it is, instead of recovering first\n"

#define HELP_MEMORY \
        "      --memory-limit SIZE    memory of the guest, 4M to 16G (default 256M)\n"

#define HELP_SANDBOX \
        "      --sandbox MACHINE      what the guest runs in: kvm (default), or process, for\n" \
        "                             machines without /dev/kvm\n"

#define HELP_HELP \
        "  -h, --help                 print this help\n" \
        "  -V, --version              print the version\n"

#define HELP_EDIT_EXIT_CODES \
        "Exit codes:\n" \
        "  0      done (or nothing had to be done); a warning may stand on stderr\n" \
        "  1      refused or failed: the first line on stderr says why\n" \
        "  2      the command line could not be parsed\n" \
        "  4      the image is in conflict with the undo journal of an interrupted edit\n" \
        "  5      an undo journal is not trusted, damaged, of a newer format or unreadable\n" \
        "  128+n  interrupted by signal n; the image is as it was\n"

#define HELP_VARIABLE_JOURNAL \
        "  INSTAR_JOURNAL_DIR         as --journal-dir\n"

#define HELP_VARIABLE_STATE \
        "  INSTAR_STATE_DIR           where the index of interrupted edits lives; none: no index\n"

#define HELP_VARIABLE_SANDBOX \
        "  INSTAR_SANDBOX             as --sandbox\n"

#define HELP_VARIABLE_DEBUG \
        "  INSTAR_DEBUG=1             tell how a guest program ended that did not end well\n"

#define HELP_NEEDS_KVM \
        "Needs /dev/kvm (root or a member of group kvm), or --sandbox=process.\n"

/* clang-format on */

#endif
