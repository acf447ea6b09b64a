/* SPDX-License-Identifier: MIT */
/*
 * The index's database: STATE_DIR/index, one LMDB environment, unnamed database;
 * key: the transaction's 32 hex digits, value: index_entry.h.
 *
 * Only for a process that may die of it (index_child.c).
 */
#ifndef INSTAR_JOURNAL_INDEX_DB_H
#define INSTAR_JOURNAL_INDEX_DB_H

#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "journal/index_entry.h"

/* Entries looked at in one run. */
#define INDEX_LOOK_MAX 64u

struct index_db {
        MDB_env *env;
        int directory_fd;
        ino_t data_inode; /* 0: there was no file */
        bool fresh;       /* the directory must be synced with the first commit */
        volatile sig_atomic_t in_tree; /* LMDB is reading pages, not waiting */
        unsigned int looked_count;
        struct {
                char transaction[INDEX_TRANSACTION_SIZE];
                bool over;
        } looked[INDEX_LOOK_MAX];
};

/* Open, and make what is missing.  A database that LMDB calls invalid is set
 * aside and begun afresh.  0 or a negative errno. */
int index_db_open(struct index_db *database, const char *state_directory);

/*
 * Find entries whose transaction is over: journal gone, though the directory is
 * the one that it was in (so not on a file system that is not mounted now); or
 * the directory has not been seen for 90 days.  At most INDEX_LOOK_MAX entries are looked
 * at, from a random one on.  They are deleted with the next put.
 */
void index_db_find_finished(struct index_db *database);

/*
 * Store an entry, durably; in the same transaction, delete what was found to be over, and
 * what was looked at and has the same journal path: the new journal could only
 * be made where the old one is gone.  `value` is completed by the directory's identity. 0
 * or a negative errno.
 */
int index_db_put(struct index_db *database, const uint8_t *transaction, uint8_t *value,
                 size_t size);

/* Call `visit` for every well-formed entry until it returns non-zero; that, 0, or a
 * negative errno. */
int index_db_each(struct index_db *database,
                  int (*visit)(void *context, const struct journal_index_entry *entry),
                  void *context);

/* Rename the database that was opened to damaged.mdb.  Async-signal-safe. */
void index_db_set_aside(struct index_db *database);

void index_db_close(struct index_db *database);

#endif
