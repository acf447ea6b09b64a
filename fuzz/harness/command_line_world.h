/* SPDX-License-Identifier: MIT */
/*
 * The world of a command line: nothing can be opened or looked at, and what is written
 * is caught.  The linker's --wrap puts this in the place of what asks the system; where
 * no run is under way, it is as ever.
 */
#ifndef INSTAR_FUZZ_HARNESS_COMMAND_LINE_WORLD_H
#define INSTAR_FUZZ_HARNESS_COMMAND_LINE_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/abi.h"

#define COMMAND_LINE_OUTPUT (1u << 20)

struct command_line_output {
        size_t length;
        char bytes[COMMAND_LINE_OUTPUT];
};

struct command_line_world {
        bool inside;         /* a run is under way */
        int error;           /* an errno: why nothing can be opened */
        bool readable;       /* though it could be, for reading */
        const char *sandbox; /* INSTAR_SANDBOX and INSTAR_JOURNAL_DIR, or NULL */
        const char *directory;
        struct command_line_output out;
        struct command_line_output err;
        unsigned edits;       /* that were asked for */
        struct abi_call call; /* of the last one */
};

extern struct command_line_world command_line_world;

/* A finding. */
_Noreturn void command_line_finding(const char *what);
#define MUST(condition)                                                                  \
        do {                                                                             \
                if (!(condition))                                                        \
                        command_line_finding(#condition);                                \
        } while (0)

#endif
