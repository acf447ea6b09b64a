/* SPDX-License-Identifier: MIT */
/* What a terminal can show.  Before the sandbox is armed. */
#ifndef INSTAR_HOST_CLI_TERMINAL_H
#define INSTAR_HOST_CLI_TERMINAL_H

#include <stdbool.h>

/* Characters in a line; 80 where the terminal does not know. */
unsigned int terminal_width(int fd);

/* Does the user's locale say UTF-8 (LC_ALL, else LC_CTYPE, else LANG)? */
bool terminal_is_utf8(void);

#endif
