/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_JOURNAL_COMMAND_H
#define INSTAR_HOST_CLI_JOURNAL_COMMAND_H

/* `instar journal`; argv[0] is "journal".  Returns the exit code. */
int journal_command(int argc, char **argv);

#endif
