/* SPDX-License-Identifier: MIT */
/* Exit codes, the same in every subcommand (see --help). */
#ifndef INSTAR_HOST_CLI_EXIT_CODE_H
#define INSTAR_HOST_CLI_EXIT_CODE_H

enum exit_code {
        EXIT_DONE = 0,
        EXIT_REFUSED = 1,       /* or failed */
        EXIT_COMMAND_LINE = 2,  /* what the option parser rejects */
        EXIT_CORRUPT = 2,       /* check: corruptions were found, as qemu-img has it */
        EXIT_LEAKS = 3,         /* check: leaked clusters, and nothing worse */
        EXIT_CONFLICT = 4,      /* the image is in conflict with its journal */
        EXIT_BAD_JOURNAL = 5,   /* not trusted, damaged, of a newer format, unreadable */
        EXIT_NO_CHECK = 63,     /* check: not of a format that can be checked */
        EXIT_SIGNAL_BASE = 128, /* plus the signal's number */
};

#endif
