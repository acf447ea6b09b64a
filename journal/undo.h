/* SPDX-License-Identifier: MIT */
/* Inside the library: a transaction's changes undone, whoever made them. */
#ifndef INSTAR_JOURNAL_UNDO_H
#define INSTAR_JOURNAL_UNDO_H

#include "journal/image_io.h"
#include "journal/read.h"

/* Sectors of the image that rollback has in memory at a time. */
#define UNDO_SECTORS 64u

/* Sectors whose content another record must explain; room for at least one whole
 * record's. */
#define UNDO_FOREIGN_MAX 2048u

struct journal_undo {
        bool sync_failed;  /* a sync failed: what looks old must be written again */
        bool sync_unknown; /* the same may be true of another process's */
        bool only_new;     /* an old content explains nothing */
        bool dirty;        /* written since the last sync */
        uint64_t size; /* of the image, until it is cut: nothing is written behind it */
        uint64_t gap_from;   /* behind the old end, what no record covers: to the first */
        uint64_t grown_from; /*   that one covers */
        uint32_t foreign_count;
        struct {
                uint64_t offset;
                uint64_t hash;
                bool explained;
        } foreign[UNDO_FOREIGN_MAX];
        uint8_t image[UNDO_SECTORS * JOURNAL_SECTOR];
};

/*
 * Look, write nothing: the image's size lies between the old and the final one, each
 * journaled sector holds its old or one of its new contents, and between the old end and
 * the first sector behind it nothing was written (invariant 7).  0; -ESTALE
 * where not, with *size_differs saying which of both; -EBADMSG where the journal is
 * damaged; or another negative errno.
 */
int undo_look(struct journal_undo *undo, struct journal_reader *reader,
              const struct image_io *image, bool *size_differs);

/* The same where everything must have been done: each sector holds one of its new
 * contents.  The size is not looked at. */
int undo_look_new(struct journal_undo *undo, struct journal_reader *reader,
                  const struct image_io *image);

/* Look, then undo everything.  As above; may be called again after an error
 * (invariant 3). */
int undo_run(struct journal_undo *undo, struct journal_reader *reader,
             const struct image_io *image);

#endif
