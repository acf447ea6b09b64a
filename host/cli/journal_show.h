/* SPDX-License-Identifier: MIT */
/* `instar journal show`: a journal file, whatever it is worth, in words or JSON. */
#ifndef INSTAR_HOST_CLI_JOURNAL_SHOW_H
#define INSTAR_HOST_CLI_JOURNAL_SHOW_H

#include <stdbool.h>

#include "host/cli/text.h"

/*
 * Print the journal at `path` to `out_fd`; `err` gets the message where something is
 * wrong.  Returns the exit code.  Memory is bounded, however large the file is, and
 * nothing is printed before the whole file is known to be sound.
 */
int journal_show(const char *path, bool json, int out_fd, struct text *err);

#endif
