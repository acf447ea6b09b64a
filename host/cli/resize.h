/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_RESIZE_H
#define INSTAR_HOST_CLI_RESIZE_H

/* `instar resize`; argv[0] is the subcommand's name.  Returns the exit code. */
int resize_command(int argc, char **argv);

#endif
