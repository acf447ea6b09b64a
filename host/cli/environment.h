/* SPDX-License-Identifier: MIT */
/* Environment variables that several subcommands take. */
#ifndef INSTAR_HOST_CLI_ENVIRONMENT_H
#define INSTAR_HOST_CLI_ENVIRONMENT_H

/* What --journal-dir said, else INSTAR_JOURNAL_DIR, else NULL. */
const char *environment_journal_directory(const char *option);

#endif
