/* SPDX-License-Identifier: MIT */
#include "host/cli/help_parts.h"
#include "host/cli/journal_options.h"

/* A line of help is a line here. */
/* clang-format off */
const char journal_help[] =
    "Usage: instar journal show [--output {human,json}] FILE\n"
    "\n"
    "Print the undo journal FILE, wherever it lies: which edit it is of, how that stands,\n"
    "and every change of the image that it can undo.  Nothing is changed, no image is\n"
    "looked at, and who may have written the file is not judged: see instar check for\n"
    "what an interrupted edit means for its image.\n"
    "\n"
    "Bytes that are no printable UTF-8, and backslashes, are shown as \\xNN.\n"
    "\n"
    "Options:\n"
    "      --output FORMAT        human (default) or json\n"
    HELP_HELP
    "\n"
    "States (in JSON: pending, recovering, done, aborted, never-begun):\n"
    "  pending        the edit is under way, or was interrupted\n"
    "  ... with a recovery begun\n"
    "                 something has begun to undo it\n"
    "  done, aborted  it has ended: complete, or undone\n"
    "  never begun    the image was not touched: no batch was closed\n"
    "\n"
    "Exit codes:\n"
    "  0      the file was shown\n"
    "  1      it cannot be opened or is no regular file, or stdout cannot be written\n"
    "  2      the command line could not be parsed\n"
    "  5      it is malformed, of a newer format, or cannot be read\n";
/* clang-format on */
