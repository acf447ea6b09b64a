/* SPDX-License-Identifier: MIT */
/*
 * The tables of all bitmaps, in the order of their directory.  A leave of the guest costs
 * as much as reading a hundred small tables, so what follows is read along with the table
 * that is asked for: more of it each time, as long as it is asked for in its turn.
 *
 * There is one at a time, and it shows the image as it is read: what changes meanwhile
 * has to be forgotten.
 */
#ifndef INSTAR_GUEST_QCOW2_TABLE_READAHEAD_H
#define INSTAR_GUEST_QCOW2_TABLE_READAHEAD_H

#include "guest/qcow2/directory.h"

/* Of the bitmaps, what may be asked for beside the entries. */
enum table_readahead_scope {
        TABLE_READAHEAD_TABLES,
        TABLE_READAHEAD_TAILS, /* and the bits behind the end of the disk */
};

/* Start afresh.  Tails are read into arena memory that is taken with the first of them,
 * and lives until the caller releases it. */
void table_readahead_start(const struct header *header, const struct directory *directory,
                           enum table_readahead_scope scope);

/*
 * Read all tables now, and keep them from here on for every walk that is started with
 * table_readahead_again(), if they are small; the arena's memory is the caller's to
 * release.  Nothing may change them as long as they are kept.
 */
void table_readahead_keep(void);

/* Start another walk over the same directory. */
void table_readahead_again(enum table_readahead_scope scope);

/* Read anew what is asked for next. */
void table_readahead_forget(void);

/* Entry `index` of the table of a directory's entry.  What lies behind the end of the
 * file reads as zeros; the table must lie where a file can be. */
uint64_t table_readahead_entry(const struct directory_entry *bitmap, uint64_t index);

/* The last bytes of the bitmap's last data cluster, from bitmap_tail_start() on, once its
 * last entry was asked for.  NULL: that is no place of a cluster, or no memory is left.
 * Until the next entry is asked for. */
const uint8_t *table_readahead_tail(const struct directory_entry *bitmap);

#endif
