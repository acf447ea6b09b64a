/* SPDX-License-Identifier: MIT */
/* The program around its subcommands. */
#ifndef INSTAR_HOST_CLI_PROGRAM_H
#define INSTAR_HOST_CLI_PROGRAM_H

#include "host/cli/command_line.h"

/* The build says it (-DINSTAR_VERSION); this is for a build without. */
#ifndef INSTAR_VERSION
#define INSTAR_VERSION "0.1.0"
#endif

/* Run the subcommand that argv[1] names, or the program's own --help and
 * --version.  Returns the exit code. */
int program_run(int argc, char **argv);

/* Say one thing on stderr.  Returns the exit code.  Here and below, `command` is "instar"
 * or "instar SUBCOMMAND". */
int program_refuse(const char *command, enum message message,
                   const struct message_values *values);

/* Write both texts; a full disk behind stdout is an error, `failed`, whatever has been
 * done.  Returns the exit code. */
int program_deliver(const char *command, enum message failed, const struct text *out,
                    const struct text *err, int exit_code);

/* Print a text on stdout.  Returns the exit code: a write that fails is an error. */
int program_print(const char *command, const char *string);

/* What a command line asks for that is not to be run.  Returns the exit code. */
int program_answer(const char *command, enum parse_result asked, const char *help,
                   const struct option_error *error);

#endif
