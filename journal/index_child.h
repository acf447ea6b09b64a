/* SPDX-License-Identifier: MIT */
/* Inside the library: the process that has LMDB open. */
#ifndef INSTAR_JOURNAL_INDEX_CHILD_H
#define INSTAR_JOURNAL_INDEX_CHILD_H

#include <stdint.h>

#include "journal/index_entry.h"

/*
 * A message is one of these numbers, 32 bits, little-endian, and what belongs to it.
 * Every answer begins with a positive errno or 0, 32 bits, too.
 *
 *     PUT   transaction and serialised entry; answered when the entry is durable
 *     FIND  an identity (index_identity_store()); the answer goes on with the paths of
 *           that image's journals, each ended by a zero, as many as fit
 *     LIST  one answer per entry, which goes on with transaction and serialised entry;
 *           then one with the error alone
 */
enum index_message { INDEX_PUT = 1, INDEX_FIND = 2, INDEX_LIST = 3 };

#define INDEX_MESSAGE_MAX (4u + INDEX_TRANSACTION_SIZE + INDEX_ENTRY_MAX)

/* Serve the other end of `socket` until it is closed, then end the process. */
_Noreturn void index_child_run(int socket, const char *state_directory);

#endif
