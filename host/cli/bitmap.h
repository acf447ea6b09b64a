/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_BITMAP_H
#define INSTAR_HOST_CLI_BITMAP_H

/* `instar bitmap`; argv[0] is "bitmap".  Returns the exit code. */
int bitmap_command(int argc, char **argv);

#endif
