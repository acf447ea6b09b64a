/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_INFO_H
#define INSTAR_HOST_CLI_INFO_H

/* `instar info`; argv[0] is "info".  Returns the exit code. */
int info_command(int argc, char **argv);

#endif
