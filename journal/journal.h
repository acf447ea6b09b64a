/* SPDX-License-Identifier: MIT */
/*
 * The undo journal: a library that knows neither KVM nor qcow2.
 *
 * One transaction is one file; several transactions of a process follow each
 * other in the same struct journal.  Calling sequence:
 *
 *   before the sandbox is armed (these allocate and open):
 *     journal_identify()
 *     journal_state_directory()
 *     journal_index_start()        as early as possible: a fork
 *     journal_index_find()         and journal_index_found() when the answer is needed
 *     journal_place_choose()       where the journal lives
 *     journal_place_search()       whether one is there already: found.h deals with it
 *     journal_prepare()            allocates everything that later calls need
 *
 *   for each transaction, under the sandbox (no allocation, few system calls):
 *     journal_begin()              creates the file
 *     journal_add()...             undo records, in the order of application
 *     journal_claim()...           what the transaction takes
 *     journal_index_put()          returns at once; the child works meanwhile
 *     journal_close_batch()        durable: only now may the image change (invariant 1)
 *     journal_index_wait()         before the first change of the image
 *     ... add and close_batch repeat for a large transaction ...
 *     journal_end(JOURNAL_DONE)    after the switch is durable; durable itself
 *     journal_remove()             ready for the next journal_begin()
 *
 *   at the end, or never, as the end of the process does as well:
 *     journal_index_stop(), journal_close(), journal_place_release()
 *
 * On any failure before the switch: journal_rollback(), journal_end(JOURNAL_ABORTED),
 * journal_remove().  A rollback that fails leaves a hot journal behind:
 * journal_close() without journal_remove().  A plan that needs no change never calls
 * journal_begin(), and no file is ever made.
 *
 * System calls after journal_prepare():
 *
 *     journal_begin        openat, fcntl F_OFD_SETLK (if that fails: unlinkat, close)
 *     journal_add          pwrite64, and only when the buffer is full
 *     journal_close_batch  pwrite64, fdatasync; the first time fsync of the directory
 *     journal_rollback     pread64, lseek of the journal; what struct image_io does
 *     journal_end          pwrite64, fdatasync
 *     journal_remove       unlinkat, close; durably: unlinkat, fsync, close
 *     journal_index_put    write
 *     journal_index_wait   recvfrom
 *     journal_index_find, _found, _each    write, recvfrom
 *     journal_close, journal_index_stop   close, munmap (free): not under the sandbox
 *
 * and clock_gettime where the kernel has no vDSO for it (begin, close_batch, end,
 * index_wait).
 *
 * Errors are negative errno values unless a function says otherwise.
 */
#ifndef INSTAR_JOURNAL_JOURNAL_H
#define INSTAR_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/image_io.h"

#define JOURNAL_SECTOR 512u
#define JOURNAL_SUFFIX ".instar-journal"

/* ---- identity: which file a journal belongs to (journal/identity.c) ------- */

#define JOURNAL_IDENTITY_MAX 160u

/* The file handle (inode and generation) where the file system gives one, else
 * inode and birth time; for a block device its persistent identifier and size.
 * Never st_dev, which changes over the reboot that matters. */
struct journal_identity {
        uint32_t kind; /* enum journal_identity_kind, in format.h */
        uint32_t length;
        uint8_t bytes[JOURNAL_IDENTITY_MAX]; /* zeros behind `length` */
};

/* The identity of an open image.  0 or a negative errno. */
int journal_identify(int image_fd, struct journal_identity *identity);

bool journal_identity_equal(const struct journal_identity *a,
                            const struct journal_identity *b);

/* ---- place: where the journal of an image lives (journal/place.c) --------- */

struct journal_place {
        int directory_fd; /* serves open, create, unlink and sync */
        char name[256];   /* inside that directory */
        char *path;       /* for messages; malloc'ed */
        bool beside_image;
};

/*
 * Choose where the journal of the image at `resolved_path` (absolute, no symbolic
 * link in it) goes: `journal_directory` (which must exist) if that is not NULL; else
 * beside the image; else STATE_DIR/journals where the image is a block device, has
 * several links, or its directory cannot be written, is sticky, or is another mount
 * than the image, or where the name with its suffix would be too long.
 * `state_directory` may be NULL (INSTAR_STATE_DIR=none).
 *
 * -EXDEV: it would be on a tmpfs, and the image is not.  -EDESTADDRREQ: it cannot be
 * beside the image, and there is no state directory.  -ESTALE: `resolved_path` is no
 * longer the image.  -EPERM: the state directory is not ours, or not private.
 * Directories made on the way are 0700 and synced, parents included.
 */
int journal_place_choose(int image_fd, const char *resolved_path,
                         const char *journal_directory, const char *state_directory,
                         const struct journal_identity *identity,
                         struct journal_place *place);
void journal_place_release(struct journal_place *place);

/* Where a journal of an image may be; but for the path and the identity all may be NULL.
 */
struct journal_search {
        const char *resolved_path;
        const char *journal_directory; /* as the user named it */
        const char *state_directory;
        const struct journal_identity *identity;
};

/*
 * Call `visit` with the path of whatever lies in one of these places under a journal's
 * name: beside the image, in the named directory, in the state directory.  Stops at its
 * first non-zero answer and returns that; else 0, or a negative errno where a place
 * cannot be looked at.  (The index knows more places: journal_index_find().)
 */
int journal_place_search(const struct journal_search *search,
                         int (*visit)(void *context, const char *path), void *context);

/* The state directory: INSTAR_STATE_DIR, else /var/lib/instar for root, else
 * $XDG_STATE_HOME/instar or ~/.local/state/instar ($HOME, never getpwuid).  malloc'ed.
 * *path is NULL, and 0 returned, for INSTAR_STATE_DIR=none and where no variable
 * says where.  Nothing is created. */
int journal_state_directory(char **path);

/* Create it if needed (0700), check that it is ours and private: -EPERM if not. */
int journal_state_directory_prepare(const char *path);

/* ---- the transaction (journal/write.c, journal/undo.c) -------------------- */

/*
 * One change of the image, in whole sectors: [offset, offset + length), both
 * multiples of 512, length not 0.  `old_bytes` holds the content before this change
 * (as it will be when its turn comes: after the changes added before it); NULL means
 * all zeros.  Sectors at or behind the old end have no old content: `behind_end`.
 * The sector that holds the old end has old bytes, zeros behind the end.
 * new_hashes has one XXH3-64 per sector, of the sector's whole new content.
 *
 * Steps are numbered from 1 and never go down within a transaction.  One change
 * may be the switch; it is one sector.  Where one sector is changed several times,
 * it must not come back to a content that it had before within the transaction:
 * rollback tells how far the edit came by what it finds.  (A change to what is there
 * already is none; its record lets recovery notice another writer there.)
 */
struct journal_change {
        uint32_t step;
        bool is_switch;
        bool behind_end;
        uint64_t offset;
        uint64_t length;
        const uint8_t *old_bytes;
        const uint64_t *new_hashes;
};

struct journal; /* malloc'ed by journal_prepare; nothing is allocated afterwards */

/* XXH3-64, seed 0. */
uint64_t journal_hash(const void *data, size_t length);

/*
 * Allocate and precompute, create nothing.  `place` is borrowed until
 * journal_close(); the rest is copied.  `image_path` is absolute: it helps to find the
 * image again, and proves nothing.  `asked` is the command line, UTF-8 or not, escaped
 * when shown, cut to 16 KiB.
 */
int journal_prepare(const struct journal_place *place,
                    const struct journal_identity *identity, const char *image_path,
                    const char *asked, struct journal **journal);

/*
 * Create the file (O_EXCL, 0600) of a new transaction with a new identifier, and
 * take the lock on it that a living writer holds.  Writes nothing yet.  -EEXIST:
 * another transaction is there.  -EBUSY: this one has not been removed.
 * -EINVAL: final_size is below old_size.
 */
int journal_begin(struct journal *journal, uint64_t old_size, uint64_t final_size);

/* Buffer one undo record (written out when the buffer is full, not synced).  -EINVAL
 * for a change that struct journal_change does not allow.  After a failed write
 * every further add and close_batch fails with the same error. */
int journal_add(struct journal *journal, const struct journal_change *change);

/*
 * Record that the transaction takes these bytes of the image, to which nothing in it
 * refers before the switch: undoing the transaction gives them back, so recovery asks
 * first whether that is still true.  -EINVAL: not inside the final size.
 */
int journal_claim(struct journal *journal, uint64_t offset, uint64_t length);

/* Write the closing record and make everything so far durable; the first time
 * also room for the ending record and the directory entry.  Where it fails, nothing of
 * this batch may be applied. */
int journal_close_batch(struct journal *journal);

enum journal_end { JOURNAL_DONE = 1, JOURNAL_ABORTED = 2 };

/* Write and sync the ending record; nothing to do where no batch was ever closed.  May
 * be called again after an error: it writes again, then syncs. */
int journal_end(struct journal *journal, enum journal_end end);

/*
 * Undo every closed record in reverse order, step by step with a sync between,
 * then cut the image back to its old size and sync.  Everything is looked at before
 * anything is written: each sector must hold its old or one of its new contents, and
 * the size must lie between the old and the final one (invariant 7): -ESTALE
 * otherwise.  -EBADMSG: the journal itself is damaged.  May be called again after
 * an error (invariant 3).
 */
int journal_rollback(struct journal *journal, const struct image_io *image);

/* Unlink the file (no sync needed: the ending record is durable) and close it. */
int journal_remove(struct journal *journal);

/* The same with a sync of the directory: an end in itself, where the ending record cannot
 * be written.  0 or a negative errno; then the file may be there or not. */
int journal_remove_durably(struct journal *journal);

/* Close and free; the file stays if it was not removed.  NULL is allowed. */
void journal_close(struct journal *journal);

/* 32 hex digits; of the transaction begun last, "" before the first. */
const char *journal_transaction_id(const struct journal *journal);
const char *journal_path(const struct journal *journal);

/* ---- the index (journal/index.c): LMDB in a short-lived child -------------- */

struct journal_index; /* the parent's end; NULL is one that does nothing */

struct journal_index_entry {
        char transaction[33];
        const char *image_path;
        const char *journal_path;
        const struct journal_identity *identity;
        uint64_t time;     /* seconds since the epoch */
        const char *asked; /* cut to 16 KiB */
};

/*
 * Fork the child, which opens the environment in `state_directory` and waits.
 * Before KVM is opened, threads are made and the sandbox is armed.  NULL directory: an
 * index that does nothing and reports success (*index is NULL, as after an error).
 *
 * Sets SIGCHLD to be ignored, so that the child is reaped by the kernel and no wait
 * is needed under the sandbox.  The child keeps none of the caller's descriptors, ignores
 * the terminal's signals, and ends by itself: at the end of the socket, or by
 * its own alarm where the database makes it hang.
 */
int journal_index_start(const char *state_directory, struct journal_index **index);

/* Send the entry to the child; returns at once.  An error is reported again by
 * journal_index_wait(). */
int journal_index_put(struct journal_index *index,
                      const struct journal_index_entry *entry);

/* Wait, at most one second, for the entry of the last put to be durable.  0, or a
 * negative errno (-ETIMEDOUT; -EPIPE if the child died; else what the child met): the
 * caller warns and goes on.  After an error the index of this process is given up: later
 * puts and waits return the same at once. */
int journal_index_wait(struct journal_index *index);

/* Ask where journals of this image lie, whatever directory they were sent to.  Returns at
 * once; before any put. */
int journal_index_find(struct journal_index *index,
                       const struct journal_identity *identity);

/*
 * Wait, at most one second, for the answer, and call `visit` with each path.  Stops at
 * its first non-zero answer and returns that; else 0, or a negative errno as
 * journal_index_wait().  Nothing is said of whether the paths are there.
 */
int journal_index_found(struct journal_index *index,
                        int (*visit)(void *context, const char *path), void *context);

/* Call `visit` with every entry, at most one second of waiting apart; as above.  Nothing
 * else may be outstanding. */
int journal_index_each(struct journal_index *index,
                       int (*visit)(void *context,
                                    const struct journal_index_entry *entry),
                       void *context);

/* The socket; -1 for NULL. */
int journal_index_descriptor(const struct journal_index *index);

/* Close the socket, upon which the child ends, and free.  Entries of ended
 * transactions are deleted with the next edit's commit.  NULL is allowed. */
void journal_index_stop(struct journal_index *index);

#endif
