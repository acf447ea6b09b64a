/* SPDX-License-Identifier: MIT */
#include "host/cli/check_options.h"
#include "host/cli/help_parts.h"

/* A line of help is a line here. */
/* clang-format off */
const char check_help[] =
    "Usage: instar check [-r {leaks,all}] [--reset-damaged] [-n] [-q] [-p] [-U]\n"
    "                    [-f FMT] [--output {human,json}]\n"
    "                    [--journal-dir DIR] [--discard-journal] [--memory-limit SIZE]\n"
    "                    [--sandbox {kvm,process}] FILENAME...\n"
    "       instar check --all [-n] [-q] [--output {human,json}]\n"
    "                    [--sandbox {kvm,process}] [DIR...]\n"
    "       instar check --reset-in-use NAME [-n] [-q] [-f FMT] [--output {human,json}]\n"
    "                    [--journal-dir DIR] [--discard-journal] [--memory-limit SIZE]\n"
    "                    [--sandbox {kvm,process}] FILENAME\n"
    "\n"
    "Recover interrupted edits: what a crash left half done is undone, what was done is\n"
    "kept; where another program has written since, a sound image stands as it is.\n"
    "Then count what every cluster is used for, as qemu-img check does, and look at\n"
    "every bitmap.  Safe to run at any time, and again after it was itself interrupted.\n"
    "With -r the image is repaired, too: all of it in one step, or not at all.\n"
    "\n"
    "Options:\n"
    "      --all                  recover every interrupted edit that the index knows, and\n"
    "                             those whose journals are found in or below the folders\n"
    "                             named; images are not checked further\n"
    "  -r, --repair KIND          leaks: give back clusters that nothing refers to;\n"
    "                             all: repair everything, so that qemu opens the image\n"
    "                             and finds nothing wrong with it\n"
    "      --reset-damaged        with -r all: a damaged bitmap is not removed, but marked\n"
    "                             all dirty\n"
    "      --reset-in-use NAME    the bitmap NAME, which a virtual machine that died left in\n"
    "                             use, is usable again: all of it is marked as dirty, for\n"
    "                             what it missed is not known.  The image is not checked\n"
    "                             further.  Nothing changes where it is not in use\n"
    "  -n, --dry-run              change nothing: what would be recovered is told, and an\n"
    "                             image with such an edit is not checked further\n"
    "  -q, --quiet                print nothing but errors\n"
    "  -p, --progress             show how far the check is (as SIGUSR1 does, once)\n"
    "  -U, --force-share          take no locks: others may be writing, so what is found\n"
    "                             may be wrong; recovers nothing\n"
    HELP_FORMAT
    "      --output FORMAT        human (default) or json\n"
    "      --journal-dir DIR      look for the undo journal in DIR, too\n"
    "      --discard-journal      give up the undo journal and keep the image as it is\n"
    "      --memory-limit SIZE    memory of the guest that checks, 4M to 16G (256M); a\n"
    "                             smaller one takes several passes over the metadata\n"
    HELP_SANDBOX
    HELP_HELP
    "\n"
    "Exit codes (of several images the worst, in the order 1, 63, 2, 4, 5, 3, 0):\n"
    "  0      no errors, or recovered and no errors; with -n: or can be recovered\n"
    "  1      the check could not be done, or came to no end; with -r: not repaired\n"
    "  2      corruptions were found; or the command line could not be parsed\n"
    "  3      leaked clusters were found, and nothing worse\n"
    "  4      another program has left the image corrupt since an edit of it was\n"
    "         interrupted: see -r all\n"
    "  5      an undo journal is not trusted, damaged, of a newer format or unreadable\n"
    "  63     not a qcow2 image\n"
    "  128+n  interrupted by signal n, between two images\n"
    "\n"
    "Environment:\n"
    HELP_VARIABLE_JOURNAL
    HELP_VARIABLE_STATE
    HELP_VARIABLE_SANDBOX
    HELP_VARIABLE_DEBUG
    "\n"
    HELP_NEEDS_KVM;
/* clang-format on */
