/* SPDX-License-Identifier: MIT */
/* The program around its subcommands. */
#ifndef INSTAR_HOST_CLI_PROGRAM_H
#define INSTAR_HOST_CLI_PROGRAM_H

#include "host/cli/options.h"

/* The build says it (-DINSTAR_VERSION); this is for a build without. */
#ifndef INSTAR_VERSION
#define INSTAR_VERSION "0.1.0"
#endif

/* Run the subcommand that argv[1] names, or the program's own --help and
 * --version.  Returns the exit code. */
int program_run(int argc, char **argv);

/* Print help or the version on stdout.  Returns the exit code: a write that fails is an
 * error.  `command` is "instar" or "instar SUBCOMMAND". */
int program_print(const char *command, const char *string);

/* Say what the option parser rejects, and where help is.  Returns the exit code. */
int program_reject(const char *command, const struct option_error *error);

#endif
