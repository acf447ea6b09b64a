/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_MAP_H
#define INSTAR_HOST_CLI_MAP_H

/* `instar map ...`; argv[0] is "map".  Returns the exit code. */
int map_command(int argc, char **argv);

#endif
