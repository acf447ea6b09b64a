/* SPDX-License-Identifier: MIT */
/*
 * The journals that earlier edits of an image have left behind, and what became of them.
 * Before the sandbox is armed and any guest runs; no image byte is interpreted here
 * (invariant 8).
 *
 *     recovery_start()       the image is open, and locked unless nothing is to be
 * changed recovery_search()      in the places that its path and its identity give
 *     recovery_at_index()    and in those that the index gives
 *     recovery_release()
 */
#ifndef INSTAR_HOST_RECOVERY_RECOVERY_H
#define INSTAR_HOST_RECOVERY_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/abi.h"
#include "host/image/image.h"
#include "journal/found.h"

enum recovery_state {
        RECOVERY_UNDONE,     /* the image is as it was before the edit */
        RECOVERY_COMPLETE,   /* the edit had been done */
        RECOVERY_SUPERSEDED, /* another program has written since, and its state stands */
        RECOVERY_REMOVED,    /* the edit had ended, or had not begun to write */
        RECOVERY_SET_ASIDE,  /* another file's journal: it has a new name */
        RECOVERY_DISCARDED,  /* as the user said: the image stays as it is */
        RECOVERY_WOULD_UNDO, /* the same, where nothing is to be changed */
        RECOVERY_WOULD_COMPLETE,
        RECOVERY_WOULD_SUPERSEDE,
        RECOVERY_WOULD_REMOVE,
        RECOVERY_WOULD_SET_ASIDE,
        RECOVERY_WOULD_DISCARD,
        /* from here on: nothing can be done, and nothing may be written */
        RECOVERY_CONFLICT, /* another program has written to the image since, and it is
                            * not sound, or was not checked */
        RECOVERY_UNTRUSTED,
        RECOVERY_DAMAGED,
        RECOVERY_NEWER,
        RECOVERY_UNREADABLE,
        RECOVERY_BUSY,   /* its writer lives */
        RECOVERY_FAILED, /* undoing or removing failed: the journal stays */
};

#define RECOVERY_FIRST_STOP RECOVERY_CONFLICT

/* Does anything in the image refer to some ranges of it? */
enum recovery_proof {
        RECOVERY_PROVED,     /* nothing does */
        RECOVERY_REFERENCED, /* something does */
        RECOVERY_UNPROVABLE, /* the image is damaged: nobody knows */
};

/* Is the image sound, but for leaked clusters? */
enum recovery_soundness {
        RECOVERY_SOUND,
        RECOVERY_CORRUPT,     /* corruptions were found */
        RECOVERY_UNCHECKABLE, /* it is so damaged that a check comes to no end */
        RECOVERY_TOO_LARGE,   /* the checker's memory does not do */
};

/*
 * Who answers that by reading the image, which this room does not (invariant 8).  Each
 * gives 0 and the answer, or a negative errno where it could not be asked.
 */
struct recovery_examiner {
        int (*prove)(struct image *image, const struct abi_range *ranges, size_t count,
                     enum recovery_proof *proof);
        int (*check)(struct image *image, enum recovery_soundness *soundness);
};

/* One journal. */
struct recovery_item {
        enum recovery_state state;
        /* why it is a conflict or, where another program is the reason, superseded; why
         * it is not trusted, damaged; or NULL */
        const char *reason;
        const char *finding; /* of a conflict: what the checker says; NULL: not asked */
        int error;           /* negative errno, or 0 */
        char *path;
        char *new_path;                            /* RECOVERY_SET_ASIDE; else NULL */
        char transaction[2 * JOURNAL_ID_SIZE + 1]; /* "": not known */
        char *asked;                               /* any bytes; NULL: not known */
        char *image_path; /* where the image was, as the journal says; NULL: not known */
        struct journal_identity identity; /* of the image, as the journal says */
        uint64_t begun;                   /* nanoseconds since the epoch; 0: not known */
        uint64_t extents;
        uint64_t bytes;
        uint64_t old_size;
        uint64_t final_size;
};

#define RECOVERY_ITEMS_MAX 16u

struct recovery {
        struct image *image;
        struct journal_image facts;
        bool dry_run; /* change nothing */
        bool discard; /* keep the image as it is, and remove the journal */
        const struct recovery_examiner *examiner; /* NULL: as recovery_start() says */
        int error; /* negative errno: a place could not be looked at */
        unsigned int count;
        unsigned int remembered; /* of them */
        struct recovery_item items[RECOVERY_ITEMS_MAX];
};

/*
 * `examiner` NULL, for a dry run only: what would have to be proved is taken as proved,
 * and what would have to be checked is a conflict without a finding.  0 or a negative
 * errno.
 */
int recovery_start(struct recovery *recovery, struct image *image,
                   const struct recovery_examiner *examiner);

/*
 * Deal with every journal that is found.  `search->identity` is filled in.  0; 1 where
 * one of them stops the command (the last item); a negative errno where a place cannot be
 * looked at.
 */
int recovery_search(struct recovery *recovery, struct journal_search search);

/* The same for one path that the index or the user knows: another image's journal there
 * is left alone.  `recovery` is a struct recovery. */
int recovery_at_index(void *recovery, const char *path);

/* Put journals that were set aside into the index under their new names, so that
 * they are found when their image is met.  Returns at once. */
void recovery_remember(struct recovery *recovery, struct journal_index *index);

/* The item that stops every command that would write, or NULL. */
const struct recovery_item *recovery_stop(const struct recovery *recovery);

void recovery_release(struct recovery *recovery);

#endif
