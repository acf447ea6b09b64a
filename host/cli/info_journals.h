/* SPDX-License-Identifier: MIT */
/* Undo journals of an image that is only looked at. */
#ifndef INSTAR_HOST_CLI_INFO_JOURNALS_H
#define INSTAR_HOST_CLI_INFO_JOURNALS_H

#include <jansson.h>

#include "host/recovery/recovery.h"

struct info_journals {
        struct recovery found;
        json_t *pending;  /* those that wait or stop writers: an array; NULL: there are
                           * none, or no JSON was wanted */
        int search_error; /* negative errno: a place could not be looked at */
        int index_error;  /* the same of the index */
};

/* Look, and change nothing.  What cannot be looked at is noted: the image can be
 * described without.  False without memory. */
bool info_journals_look(struct info_journals *journals, struct image *image, bool json);

#endif
