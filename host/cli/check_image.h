/* SPDX-License-Identifier: MIT */
/* One image of `instar check`. */
#ifndef INSTAR_HOST_CLI_CHECK_IMAGE_H
#define INSTAR_HOST_CLI_CHECK_IMAGE_H

#include "host/cli/check_metadata.h"
#include "host/cli/check_options.h"
#include "host/cli/check_repair.h"
#include "host/cli/journal_places.h"
#include "host/cli/messages.h"

/* What all images of a run share. */
struct check_run {
        const struct check_options *options;
        struct journal_places places;
        struct check_heading heading; /* of the image that is being checked */
};

struct check_result {
        enum message message; /* why the image could not be looked at; or MESSAGE_NONE */
        int error;            /* its errno */
        struct recovery recovery;
        struct metadata metadata;
        struct repair_result repair;
        struct abi_report_check before; /* the repair; `metadata` is of the result */
        int exit_code;
};

/*
 * Look at the image under a reader's locks; where a journal wants something done and
 * this is no dry run, do it under a writer's.  Then, unless something stops it or is
 * still pending, or only journals are asked for (--all), check the metadata.  `journal`:
 * one more path where a journal of it may lie, or NULL.  Fills *result, to be released by
 * check_image_release().
 */
void check_image(struct check_run *run, const char *path, const char *journal,
                 struct check_result *result);
void check_image_release(struct check_result *result);

#endif
