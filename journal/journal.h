/* SPDX-License-Identifier: MIT */
/*
 * The undo journal: a library that knows neither KVM nor qcow2.
 *
 * One transaction is one file.  Calling sequence of an edit:
 *
 *     journal_place_*()            where it lives, and whether one is there already
 *     journal_create()
 *     journal_add()...             undo records, in the order of application
 *     journal_close_batch()        durable: only now may the image change (invariant 1)
 *     ... repeat for a large transaction ...
 *     journal_end(JOURNAL_DONE)    after the switch is durable; durable itself
 *     journal_remove()
 *
 * On any failure before the switch: journal_rollback(), journal_end(JOURNAL_ABORTED),
 * journal_remove().  A rollback that fails leaves a hot journal behind.
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
        uint8_t bytes[JOURNAL_IDENTITY_MAX];
};

/* The identity of an open image.  0 or a negative errno. */
int journal_identify(int image_fd, struct journal_identity *identity);

/* ---- place: where the journal of an image lives (journal/place.c) --------- */

struct journal_place {
        int directory_fd; /* serves open, create, unlink and sync */
        char name[256];   /* inside that directory */
        char *path;       /* for messages; malloc'ed */
        bool beside_image;
};

/* Why a journal that is already there stops the command. */
enum journal_presence {
        JOURNAL_ABSENT = 0,
        JOURNAL_PRESENT,
};

/*
 * Choose where the journal of the image at `resolved_path` (absolute, no symbolic
 * link in it) goes: `journal_directory` if that is not NULL; else beside the image; else
 * STATE_DIR/journals where the image is a block device, has several links, or its
 * directory cannot be written, is sticky, or is another mount than the image.
 * `state_directory` may be NULL (INSTAR_STATE_DIR=none).
 *
 * Refuses a tmpfs for the journal of a file that is not on tmpfs: -EXDEV.
 * Directories made on the way are 0700 and synced, parents included.
 */
int journal_place_choose(int image_fd, const char *resolved_path,
                         const char *journal_directory, const char *state_directory,
                         const struct journal_identity *identity,
                         struct journal_place *place);
void journal_place_release(struct journal_place *place);

/* Look for a journal in every place it could be: the chosen one, beside the image, the state
 * directory.  *found_path is malloc'ed when the answer is JOURNAL_PRESENT. */
int journal_place_search(const struct journal_place *chosen, const char *resolved_path,
                         const char *state_directory,
                         const struct journal_identity *identity,
                         enum journal_presence *presence, char **found_path);

/* The state directory: INSTAR_STATE_DIR, else /var/lib/instar for root, else
 * $XDG_STATE_HOME/instar or ~/.local/state/instar ($HOME, never getpwuid).  malloc'ed.
 * *path is NULL, and 0 returned, for INSTAR_STATE_DIR=none and where no variable
 * says where.  Nothing is created. */
int journal_state_directory(char **path);

/* Create it if needed (0700), check that it is ours and private. */
int journal_state_directory_prepare(const char *path);

/* ---- the transaction (journal/write.c, journal/undo.c) -------------------- */

struct journal_begin {
        const struct journal_identity *identity;
        uint64_t old_size;
        uint64_t final_size;
        const char *asked; /* the command line, UTF-8 or not; escaped when shown */
};

/*
 * One change of the image, in whole sectors: [offset, offset + length), both
 * multiples of 512.  `old_bytes` holds the content before this change (as it will be when
 * its turn comes: after the changes added before it); NULL means all zeros.  Sectors
 * at or behind the old end have no old content: `behind_end`.  new_hashes has one
 * XXH3-64 per sector, of the sector's whole new content.
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

struct journal; /* malloc'ed by journal_create; no allocation afterwards but its buffer's */

/* XXH3-64, seed 0. */
uint64_t journal_hash(const void *data, size_t length);

/* Create the file (O_EXCL, 0600).  -EEXIST: another transaction is there.  Takes
 * an advisory lock on it that a living writer holds.  Writes nothing yet. */
int journal_create(const struct journal_place *place, const struct journal_begin *begin,
                   struct journal **journal);

/* Buffer one undo record (written out when the buffer is full, not synced). */
int journal_add(struct journal *journal, const struct journal_change *change);

/* Write the closing record and make everything so far durable; the first time
 * also room for the ending record and the directory entry. */
int journal_close_batch(struct journal *journal);

enum journal_end { JOURNAL_DONE = 1, JOURNAL_ABORTED = 2 };

/* Write and sync the ending record. */
int journal_end(struct journal *journal, enum journal_end end);

/* Undo every closed record in reverse order, step by step with a sync between,
 * then cut the image back to its old size and sync.  Each sector must hold its
 * old or one of its new contents (invariant 7): -ESTALE otherwise, nothing further
 * is written. */
int journal_rollback(struct journal *journal, const struct image_io *image);

/* Unlink the file (no sync needed: the ending record is durable). */
int journal_remove(struct journal *journal);

/* Close and free; the file stays if it was not removed. */
void journal_close(struct journal *journal);

const char *journal_transaction_id(const struct journal *journal); /* 32 hex digits */
const char *journal_path(const struct journal *journal);

/* ---- the index (journal/index.c): LMDB in a short-lived child -------------- */

struct journal_index; /* the parent's end */

struct journal_index_entry {
        char transaction[33];
        const char *image_path;
        const char *journal_path;
        const struct journal_identity *identity;
        uint64_t time; /* seconds since the epoch */
        const char *asked;
};

/* Fork the child, which opens the environment in `state_directory` and waits.
 * Before KVM is opened and before the sandbox is armed.  NULL directory: an index
 * that does nothing and reports success. */
int journal_index_start(const char *state_directory, struct journal_index **index);

/* Send the entry to the child; returns at once. */
int journal_index_put(struct journal_index *index, const struct journal_index_entry *entry);

/* Wait, at most until one second after the put, for the entry to be durable.  0, or a
 * negative errno (-ETIMEDOUT; -EPIPE if the child died): the caller warns and goes on. */
int journal_index_wait(struct journal_index *index);

/* Tell the child that the transaction ended (it deletes finished entries whose
 * journal is gone with the next edit), close, reap within the deadline. */
void journal_index_stop(struct journal_index *index);

#endif
