/* SPDX-License-Identifier: MIT */
/* A journal that an earlier edit left in a directory, in any condition. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_LEFT_BEHIND_H
#define INSTAR_TESTS_UNIT_JOURNAL_LEFT_BEHIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "journal/found.h"
#include "scratch.h"

#define LEFT_BEHIND_OLD_SIZE   (512u * 8u)
#define LEFT_BEHIND_FINAL_SIZE (512u * 16u)

struct left_behind {
        struct scratch scratch;
        struct journal_place place; /* DIRECTORY/disk.instar-journal */
        struct journal_image facts; /* of the image that it is about */
};

/* How far the edit had come. */
enum left_at {
        LEFT_AT_BEGIN, /* an empty file */
        LEFT_AT_BATCH, /* one closed batch: hot */
        LEFT_AT_DONE,
        LEFT_AT_ABORTED,
};

/* The directory, without a journal. */
void left_behind_create(struct left_behind *left);
void left_behind_destroy(struct left_behind *left);

/* A journal in its place. */
void left_behind_leave(struct left_behind *left, enum left_at at);

/* What the file is now, for a comparison later on. */
struct left_behind_look {
        struct stat status;
        uint8_t *bytes;
};
void left_behind_look(const struct left_behind *left, struct left_behind_look *look);

/* Whether it is the same: bytes, times, mode, links.  Releases the look. */
bool left_behind_is_unchanged(const struct left_behind *left,
                              struct left_behind_look *look);

#endif
