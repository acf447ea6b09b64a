/* SPDX-License-Identifier: MIT */
/* An entry of the index as bytes: what goes over the socket, and what is stored. */
#ifndef INSTAR_JOURNAL_INDEX_ENTRY_H
#define INSTAR_JOURNAL_INDEX_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "journal/journal.h"

#define INDEX_TRANSACTION_SIZE 32u /* hex digits, not terminated: the key */

/* Room for the largest entry: two paths, a text, and the fixed part. */
#define INDEX_ENTRY_MAX 32768u

/* The value of the database: u32 version, u32 image path length, u32 journal path length,
 * u32 text length, u64 time, the identity (kind, length, 160 bytes), the directory's
 * identity, then the three texts, each with its terminating zero. */
#define INDEX_VALUE_VERSION 1u

/* Serialise, the directory's identity not known yet.  The value's length, or 0 if it
 * does not fit. */
size_t index_entry_store(const struct journal_index_entry *entry, uint8_t *value,
                         size_t size);

/* An identity as INDEX_IDENTITY_SIZE bytes. */
#define INDEX_IDENTITY_SIZE (8u + JOURNAL_IDENTITY_MAX)
void index_identity_store(uint8_t *to, const struct journal_identity *identity);
int index_identity_load(const uint8_t *from, struct journal_identity *identity);

/* Put the directory's identity into a serialised entry. */
void index_entry_store_directory(uint8_t *value,
                                 const struct journal_identity *directory);

/*
 * The other way.  Texts and identities point into `value` or *identities, which the
 * caller keeps; identities[0] is the image's, identities[1] that of the journal's
 * directory (kind 0: not known).  -EBADMSG where the value is malformed.
 */
int index_entry_load(const uint8_t *value, size_t size, struct journal_index_entry *entry,
                     struct journal_identity identities[2]);

#endif
