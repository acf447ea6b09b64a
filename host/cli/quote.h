/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_QUOTE_H
#define INSTAR_HOST_CLI_QUOTE_H

/*
 * The command line `instar ARGV[0] ARGV[1] ...` as a shell would take it, for
 * the journal: whoever finds an interrupted edit sees what was asked.  malloc'ed; NULL
 * without memory.  Bytes are kept as they are; whoever shows the text escapes it.
 */
char *quote_command(int argc, char *const *argv);

#endif
