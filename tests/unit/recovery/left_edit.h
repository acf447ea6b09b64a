/* SPDX-License-Identifier: MIT */
/* An image in a directory, and what interrupted edits have left of it and beside it. */
#ifndef INSTAR_TESTS_UNIT_RECOVERY_LEFT_EDIT_H
#define INSTAR_TESTS_UNIT_RECOVERY_LEFT_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/image/image.h"
#include "journal/found.h"
#include "journal/journal.h"
#include "tests/unit/journal/scratch.h"

#define LEFT_OLD_SIZE   (512u * 8u)
#define LEFT_FINAL_SIZE (512u * 12u)

/* How far the edit had come. */
enum left_at {
        LEFT_EMPTY,     /* its journal has no batch */
        LEFT_UNAPPLIED, /* a closed batch, an image as it was */
        LEFT_APPLIED,   /* all but the switch */
        LEFT_SWITCHED,
        LEFT_DONE,
        LEFT_ABORTED,
};

/* What it had taken: two sectors behind the old end, and one in the middle. */
#define LEFT_CLAIMS 2u

struct left_edit {
        bool claims; /* it claims those */
        struct scratch scratch;
        char journal[4300]; /* the path beside the image */
        struct image image; /* DIRECTORY/disk */
        struct journal_identity identity;
        uint8_t before[LEFT_FINAL_SIZE];
};

void left_edit_create(struct left_edit *left);
void left_edit_destroy(struct left_edit *left);

/* The image as it was, and an edit of it that came so far; its journal at `path`, as if
 * it were of the file with that identity. */
void left_edit_leave(struct left_edit *left, const char *path,
                     const struct journal_identity *identity, enum left_at at);

extern const struct journal_range left_edit_claims[LEFT_CLAIMS];

bool left_edit_image_is_old(const struct left_edit *left);

/* All names, sizes, times and bytes in the directory, as one text; free it. */
char *left_edit_snapshot(const struct left_edit *left);

#endif
