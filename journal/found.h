/* SPDX-License-Identifier: MIT */
/*
 * A journal that an earlier edit left behind: what it is, and what becomes of it.
 *
 *     journal_image_describe()   once for the image, which is open and locked
 *     journal_found_open()       examine the file, take its lock
 *     journal_found_judge()      a hot one: compare it with the image
 *     then one of
 *     journal_found_undo()       the switch is not in the image: give the old one back
 *     journal_found_complete()   it is: make sure of it
 *     journal_found_remove()     nothing is to be undone: it is over, or given up
 *     journal_found_set_aside()  it is another file's
 *     journal_found_close()
 *
 * A journal is hot (invariant 11) if it is trusted, has a valid header that names this
 * image, a closed batch, no ending record, and no living process holds its lock.
 *
 * All of this allocates, opens and unlinks: it runs before a sandbox is armed.
 */
#ifndef INSTAR_JOURNAL_FOUND_H
#define INSTAR_JOURNAL_FOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "journal/image_io.h"
#include "journal/journal.h"
#include "journal/read.h"
#include "journal/undo.h"

/* What recovery needs to know of an image beside its bytes. */
struct journal_image {
        struct journal_identity identity;
        uid_t owner;
};

/* From an open descriptor.  0 or a negative errno. */
int journal_image_describe(int image_fd, struct journal_image *image);

enum journal_state {
        JOURNAL_GONE = 0,   /* nothing of that name */
        JOURNAL_HOT,        /* recovery has to decide */
        JOURNAL_EMPTY,      /* no closed batch: the image was not touched */
        JOURNAL_ENDED,      /* DONE or ABORTED */
        JOURNAL_OTHERS,     /* of another file */
        JOURNAL_BUSY,       /* its writer lives */
        JOURNAL_UNTRUSTED,  /* `distrust` says why */
        JOURNAL_DAMAGED,    /* `fault` and `fault_offset` of the reader say how */
        JOURNAL_NEWER,      /* of a newer format */
        JOURNAL_UNREADABLE, /* `error` says why */
};

/* By fstat(2) of the open descriptor, never of a name. */
enum journal_distrust {
        JOURNAL_TRUSTED = 0,
        JOURNAL_NOT_A_FILE, /* no regular file, or a symbolic link */
        JOURNAL_LINKED,     /* more than one link */
        JOURNAL_WRITABLE,   /* group or others may write to it */
        JOURNAL_STRANGERS,  /* owned by neither the caller, root nor the image's owner */
};

/* One text for each; never NULL. */
const char *journal_distrust_text(enum journal_distrust distrust);

struct journal_found {
        enum journal_state state;
        enum journal_distrust distrust;
        int error; /* negative errno */

        int directory_fd; /* its own */
        int fd;           /* -1: could not be opened */
        bool read_only;
        char name[256];
        char *path;

        /* what the file tells, as far as it could be read */
        char transaction[2 * JOURNAL_ID_SIZE + 1];
        char *asked;      /* malloc'ed; NULL: not known */
        char *image_path; /* malloc'ed; NULL: not known */
        uint64_t extents; /* runs of sectors that the closed batches change */
        uint64_t bytes;   /* in them */

        struct journal_reader reader;
        struct journal_undo undo;
};

/*
 * Examine what lies at `path` (absolute), which must be the journal of `image`; NULL
 * takes that of any file.  `read_only`: change nothing, neither now nor later.  0 and
 * *found, to be closed, whatever its state; or a negative errno and NULL: no memory, or
 * the directory cannot be opened.
 */
int journal_found_open(const char *path, const struct journal_image *image,
                       bool read_only, struct journal_found **found);
void journal_found_close(struct journal_found *found);

/* What a hot journal means for the image. */
enum journal_verdict {
        JOURNAL_VERDICT_COMPLETE, /* the switch is there, and all else */
        /* The switch is there; something else has been written since. */
        JOURNAL_VERDICT_SUPERSEDED,
        /* It is not there, and what is there can be undone, if nothing refers to what the
         * edit had taken: journal_found_claims(). */
        JOURNAL_VERDICT_UNDO,
        /* Somebody else has written since: theirs is the truth (invariant 7). */
        JOURNAL_VERDICT_SIZE,    /* its size is none that the edit gave it */
        JOURNAL_VERDICT_CONTENT, /* it holds bytes that are not the edit's */
};

/* Writes nothing.  0, or a negative errno where the journal or the image cannot be
 * read. */
int journal_found_judge(struct journal_found *found, const struct image_io *io,
                        enum journal_verdict *verdict);

/* Bytes of the image. */
struct journal_range {
        uint64_t offset;
        uint64_t length;
};

/* What the transaction had taken, and what undoing it therefore gives back: the claims of
 * its closed batches, neighbours joined.  *ranges is malloc'ed.  0 or a negative errno.
 */
int journal_found_claims(struct journal_found *found, struct journal_range **ranges,
                         size_t *count);

/*
 * Undo, write ABORTED, remove the journal.  0; a negative errno where the journal stays
 * hot: it may be called again, in this process or another (invariant 3).
 */
int journal_found_undo(struct journal_found *found, const struct image_io *io);

/*
 * The image holds the switch's new content: write it once more, sync, then remove the
 * journal.  It may have been read from memory alone, and without its journal a
 * power loss would then leave neither of invariant 2's ends.  Errors as above.
 */
int journal_found_complete(struct journal_found *found, const struct image_io *io);

/* Give it up: a hot one is ended first.  0 or a negative errno. */
int journal_found_discard(struct journal_found *found);

/* Unlink it, durably: it is ended or empty.  Where it is gone, that is no error.  0 or a
 * negative errno. */
int journal_found_remove(struct journal_found *found);

/* Give it the name IMAGE.TRANSACTION.instar-journal, so that it is in nobody's way
 * and not lost; *new_path is malloc'ed.  0 or a negative errno. */
int journal_found_set_aside(struct journal_found *found, char **new_path);

#endif
