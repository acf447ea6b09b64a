/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_CHECK_H
#define INSTAR_HOST_CLI_CHECK_H

/* `instar check`; argv[0] is "check".  Returns the exit code. */
int check_command(int argc, char **argv);

#endif
