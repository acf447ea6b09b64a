/* SPDX-License-Identifier: MIT */
/* LMDB with every call checked: see index_db.h. */
#include "journal/index_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "journal/directory.h"
#include "journal/identity.h"

#define INDEX_NAME   "index"
#define DATA_NAME    "data.mdb"
#define LOCK_NAME    "lock.mdb"
#define DAMAGED_NAME "damaged.mdb"

#define MAP_SIZE ((size_t)64 << 20)

/* Free blocks below which the database is not opened: LMDB touches a mapped file that
 * has no blocks yet, and a full disk would look like damage. */
#define FREE_BLOCKS_MIN 64u

#define FORGET_SECONDS ((uint64_t)90 * 24 * 60 * 60)

/* LMDB's own codes are negative; the system's are positive. */
static int to_errno(int code)
{
        if (code >= 0)
                return -code;
        return code == MDB_MAP_FULL ? -ENOSPC : -EBADMSG;
}

/* ---- opening --------------------------------------------------------------- */

void index_db_set_aside(struct index_db *database)
{
        struct stat status;

        /* Not a fresh one that another process put there meanwhile. */
        if (database->directory_fd <= 0 ||
            fstatat(database->directory_fd, DATA_NAME, &status, AT_SYMLINK_NOFOLLOW) !=
                0 ||
            (database->data_inode && status.st_ino != database->data_inode))
                return;
        renameat(database->directory_fd, DATA_NAME, database->directory_fd, DAMAGED_NAME);
        unlinkat(database->directory_fd, LOCK_NAME, 0);
}

static int enough_space(int directory_fd)
{
        struct statfs status;

        if (fstatfs(directory_fd, &status) != 0)
                return -errno;
        if ((geteuid() == 0 ? status.f_bfree : status.f_bavail) < FREE_BLOCKS_MIN)
                return -ENOSPC;
        return 0;
}

static int open_environment(struct index_db *database, const char *path)
{
        struct stat status;
        int code;

        database->data_inode = 0;
        if (fstatat(database->directory_fd, DATA_NAME, &status, AT_SYMLINK_NOFOLLOW) == 0)
                database->data_inode = status.st_ino;
        database->fresh = database->data_inode == 0;
        code = mdb_env_create(&database->env);
        if (code)
                return code;
        code = mdb_env_set_mapsize(database->env, MAP_SIZE);
        if (!code)
                code = mdb_env_open(database->env, path, 0, 0600);
        if (code) {
                mdb_env_close(database->env);
                database->env = NULL;
        }
        return code;
}

static int open_or_begin(struct index_db *database, const char *path)
{
        int code = open_environment(database, path);

        if (code < 0) {
                index_db_set_aside(database);
                code = open_environment(database, path);
        }
        return to_errno(code);
}

/* The index's directory, open: private, in the private state directory. */
static int open_directory(const char *state_directory)
{
        int error = make_directories(state_directory);
        int state;
        int index;

        if (error)
                return error;
        state = open_private_directory(state_directory);
        if (state < 0)
                return state;
        index = open_private_directory_in(state, INDEX_NAME);
        close(state);
        return index;
}

/* LMDB opens by path only.  That of the descriptor leads to what was found to be private,
 * whatever is at the directory's own by now; a system without /proc has no other. */
static int open_at(struct index_db *database, const char *state_directory)
{
        char through[sizeof "/proc/self/fd/" + 3 * sizeof(int)];
        char *path;
        int error;

        snprintf(through, sizeof through, "/proc/self/fd/%d", database->directory_fd);
        if (access(through, F_OK) == 0)
                return open_or_begin(database, through);
        if (asprintf(&path, "%s/" INDEX_NAME, state_directory) < 0)
                return -ENOMEM;
        error = open_or_begin(database, path);
        free(path);
        return error;
}

int index_db_open(struct index_db *database, const char *state_directory)
{
        int error;

        memset(database, 0, sizeof *database);
        database->directory_fd = open_directory(state_directory);
        if (database->directory_fd < 0)
                return database->directory_fd;
        error = enough_space(database->directory_fd);
        return error ? error : open_at(database, state_directory);
}

void index_db_close(struct index_db *database)
{
        if (database->env)
                mdb_env_close(database->env);
        if (database->directory_fd > 0)
                close(database->directory_fd);
        database->env = NULL;
        database->directory_fd = 0;
}

/* ---- walking --------------------------------------------------------------- */

static int step(struct index_db *database, MDB_cursor *cursor, MDB_val *key,
                MDB_val *value, MDB_cursor_op how)
{
        int code;

        database->in_tree = 1;
        code = mdb_cursor_get(cursor, key, value, how);
        database->in_tree = 0;
        return code;
}

static int open_cursor(struct index_db *database, MDB_txn **txn, MDB_cursor **cursor)
{
        MDB_dbi dbi;
        int code = mdb_txn_begin(database->env, NULL, MDB_RDONLY, txn);

        /* Processes that ended without closing leave their slots to whoever needs one. */
        if (code == MDB_READERS_FULL && mdb_reader_check(database->env, NULL) == 0)
                code = mdb_txn_begin(database->env, NULL, MDB_RDONLY, txn);
        if (code)
                return code;
        code = mdb_dbi_open(*txn, NULL, 0, &dbi);
        if (!code)
                code = mdb_cursor_open(*txn, dbi, cursor);
        if (code)
                mdb_txn_abort(*txn);
        return code;
}

/* A malformed entry is passed over. */
static bool load(const MDB_val *key, const MDB_val *value,
                 struct journal_index_entry *entry, struct journal_identity identities[2])
{
        if (key->mv_size != INDEX_TRANSACTION_SIZE)
                return false;
        memcpy(entry->transaction, key->mv_data, INDEX_TRANSACTION_SIZE);
        entry->transaction[INDEX_TRANSACTION_SIZE] = '\0';
        return index_entry_load(value->mv_data, value->mv_size, entry, identities) == 0;
}

int index_db_each(struct index_db *database,
                  int (*visit)(void *context, const struct journal_index_entry *entry),
                  void *context)
{
        MDB_txn *txn;
        MDB_cursor *cursor;
        MDB_val key;
        MDB_val value;
        int stop = 0;
        int code = open_cursor(database, &txn, &cursor);

        if (code)
                return to_errno(code);
        code = step(database, cursor, &key, &value, MDB_FIRST);
        while (!code && !stop) {
                struct journal_identity identities[2];
                struct journal_index_entry entry;

                if (load(&key, &value, &entry, identities))
                        stop = visit(context, &entry);
                if (!stop)
                        code = step(database, cursor, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
        mdb_txn_abort(txn);
        if (stop)
                return stop;
        if (code == MDB_NOTFOUND)
                return 0;
        if (code < 0) /* a page that LMDB does not believe */
                index_db_set_aside(database);
        return to_errno(code);
}

/* ---- what is over ------------------------------------------------------------ */

/* The directory that a path lies in, as an identity; kind 0 where there is none. */
static void identify_directory(const char *path, struct journal_identity *identity)
{
        const char *slash = strrchr(path, '/');
        char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
        int fd = directory ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

        free(directory);
        if (fd < 0 || identity_of_inode(fd, identity) != 0)
                memset(identity, 0, sizeof *identity);
        if (fd >= 0)
                close(fd);
}

static bool is_over(const struct journal_index_entry *entry,
                    const struct journal_identity *directory)
{
        struct journal_identity current;
        struct stat status;

        if (lstat(entry->journal_path, &status) == 0 ||
            (errno != ENOENT && errno != ENOTDIR))
                return false;
        identify_directory(entry->journal_path, &current);
        if (current.kind && journal_identity_equal(&current, directory))
                return true;
        return (uint64_t)time(NULL) > entry->time + FORGET_SECONDS;
}

static void remember(struct index_db *database, const void *transaction, bool over)
{
        if (database->looked_count == INDEX_LOOK_MAX)
                return;
        memcpy(database->looked[database->looked_count].transaction, transaction,
               INDEX_TRANSACTION_SIZE);
        database->looked[database->looked_count++].over = over;
}

/* What cannot be read is of no use to anybody. */
static void look_at(struct index_db *database, const MDB_val *key, const MDB_val *value)
{
        struct journal_identity identities[2];
        struct journal_index_entry entry;
        bool over =
            !load(key, value, &entry, identities) || is_over(&entry, &identities[1]);

        if (key->mv_size == INDEX_TRANSACTION_SIZE)
                remember(database, key->mv_data, over);
}

static void random_key(char text[INDEX_TRANSACTION_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        uint8_t bytes[INDEX_TRANSACTION_SIZE];

        if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes)
                memset(bytes, 0, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
                text[i] = digits[bytes[i] & 15];
}

/* The random start makes sure that entries which must be kept do not hide the others
 * for ever. */
void index_db_find_finished(struct index_db *database)
{
        char start[INDEX_TRANSACTION_SIZE];
        MDB_val key = {sizeof start, start};
        MDB_val value;
        MDB_txn *txn;
        MDB_cursor *cursor;
        MDB_stat status;
        size_t entries;
        int code;

        if (mdb_env_stat(database->env, &status) != 0 ||
            open_cursor(database, &txn, &cursor) != 0)
                return;
        entries = status.ms_entries < INDEX_LOOK_MAX ? status.ms_entries : INDEX_LOOK_MAX;
        random_key(start);
        code = step(database, cursor, &key, &value, MDB_SET_RANGE);
        for (size_t i = 0; i < entries; i++) {
                if (code == MDB_NOTFOUND)
                        code = step(database, cursor, &key, &value, MDB_FIRST);
                if (code)
                        break;
                look_at(database, &key, &value);
                code = step(database, cursor, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
        mdb_txn_abort(txn);
}

/* ---- putting ----------------------------------------------------------------- */

static bool same_journal(MDB_txn *txn, MDB_dbi dbi, MDB_val *key,
                         const char *journal_path)
{
        struct journal_identity identities[2];
        struct journal_index_entry entry;
        MDB_val value;

        return mdb_get(txn, dbi, key, &value) == 0 &&
               load(key, &value, &entry, identities) &&
               strcmp(entry.journal_path, journal_path) == 0;
}

static int delete_finished(struct index_db *database, MDB_txn *txn, MDB_dbi dbi,
                           const char *journal_path)
{
        for (unsigned int i = 0; i < database->looked_count; i++) {
                MDB_val key = {INDEX_TRANSACTION_SIZE, database->looked[i].transaction};
                int code;

                if (!database->looked[i].over &&
                    !same_journal(txn, dbi, &key, journal_path))
                        continue;
                code = mdb_del(txn, dbi, &key, NULL);
                if (code && code != MDB_NOTFOUND)
                        return code;
        }
        return 0;
}

static int change_tree(struct index_db *database, MDB_txn *txn, MDB_val *key,
                       MDB_val *value, const char *journal_path)
{
        MDB_dbi dbi;
        int code;

        database->in_tree = 1;
        code = mdb_dbi_open(txn, NULL, 0, &dbi);
        if (!code)
                code = delete_finished(database, txn, dbi, journal_path);
        if (!code)
                code = mdb_put(txn, dbi, key, value, 0);
        database->in_tree = 0;
        return code;
}

static int commit(struct index_db *database, MDB_val *key, MDB_val *value,
                  const char *journal_path)
{
        MDB_txn *txn;
        int code = mdb_txn_begin(database->env, NULL, 0, &txn);

        if (code)
                return to_errno(code);
        code = change_tree(database, txn, key, value, journal_path);
        if (code)
                mdb_txn_abort(txn);
        else
                code = mdb_txn_commit(txn);
        if (code < 0 && code != MDB_MAP_FULL)
                index_db_set_aside(database);
        return to_errno(code);
}

int index_db_put(struct index_db *database, const uint8_t *transaction, uint8_t *value,
                 size_t size)
{
        struct journal_identity identities[2];
        struct journal_index_entry entry;
        char digits[INDEX_TRANSACTION_SIZE];
        MDB_val key = {sizeof digits, digits};
        MDB_val stored = {size, value};
        int error;

        if (index_entry_load(value, size, &entry, identities) != 0)
                return -EBADMSG;
        identify_directory(entry.journal_path, &identities[1]);
        index_entry_store_directory(value, &identities[1]);
        memcpy(digits, transaction, sizeof digits);
        error = commit(database, &key, &stored, entry.journal_path);
        if (error)
                return error;
        database->looked_count = 0;
        remember(database, digits, false); /* a transaction may follow in this process */
        /* The name of a new file needs the directory. */
        if (database->fresh && fsync(database->directory_fd) != 0)
                return -errno;
        database->fresh = false;
        return 0;
}
