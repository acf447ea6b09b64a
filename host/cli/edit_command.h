/* SPDX-License-Identifier: MIT */
/* An edit of one image, whichever subcommand asks for it. */
#ifndef INSTAR_HOST_CLI_EDIT_COMMAND_H
#define INSTAR_HOST_CLI_EDIT_COMMAND_H

#include "host/cli/common_options.h"

struct edit_command {
        const char *command;  /* "instar SUBCOMMAND", that messages begin with */
        const char *filename; /* of the image */
        const struct common_options *options;
        const struct vm_program *program;
        const struct abi_call *call;
        /*
         * Put the outcome into words: `out` for stdout, `err` for stderr.  Returns the
         * exit code.  Under the sandbox: it can allocate nothing.
         */
        int (*report)(const void *context, const struct edit_report *report,
                      struct text *out, struct text *err);
        const void *context;
};

/*
 * Open the image, lock it, look at its magic, edit, report.  argv is the subcommand's,
 * for the journal.  Returns the exit code.
 *
 * Whatever happens, stdout gets either the whole of what report() says or nothing, and
 * the first line on stderr is the message.
 */
int edit_command_run(const struct edit_command *command, int argc, char **argv);

#endif
