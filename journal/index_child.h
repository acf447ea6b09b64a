/* SPDX-License-Identifier: MIT */
/* Inside the library: the process that has LMDB open. */
#ifndef INSTAR_JOURNAL_INDEX_CHILD_H
#define INSTAR_JOURNAL_INDEX_CHILD_H

/*
 * Serve the other end of `socket` until it is closed, then end the process.  A message is
 * a transaction's 32 hex digits and a serialised entry; the answer is a positive errno or
 * 0, 32 bits, little-endian, sent when the entry is durable.
 */
_Noreturn void index_child_run(int socket, const char *state_directory);

#endif
