/* SPDX-License-Identifier: MIT */
/* An edit that was interrupted, its image and its journal: what recovery meets. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_INTERRUPTED_H
#define INSTAR_TESTS_UNIT_JOURNAL_INTERRUPTED_H

#include "edit.h"
#include "journal/found.h"
#include "power_image.h"
#include "scratch.h"

#define INTERRUPTED_OLD_SIZE   (512u * 10u - 100u)
#define INTERRUPTED_FINAL_SIZE (512u * 20u)
#define INTERRUPTED_SWITCH     3u /* the step */

struct interrupted {
        struct scratch scratch;
        struct journal_place place;
        struct edit edit;
        struct power_image image;
        struct journal_image facts;
};

/* Three steps, the last one the switch; nothing is applied yet. */
void interrupted_create(struct interrupted *edit);

void interrupted_destroy(struct interrupted *edit);

/* Apply the steps up to `last`, each synced. */
void interrupted_apply(struct interrupted *edit, uint32_t last);

/* The journal, which must be there, open for writing. */
struct journal_found *interrupted_open(struct interrupted *edit);

/* Recover until the end: the disk has the old file, and the journal is gone. */
void interrupted_expect_recovery(struct interrupted *edit);

#endif
