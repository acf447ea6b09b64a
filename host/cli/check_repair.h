/* SPDX-License-Identifier: MIT */
/* The repair of one image, and what it has told. */
#ifndef INSTAR_HOST_CLI_CHECK_REPAIR_H
#define INSTAR_HOST_CLI_CHECK_REPAIR_H

#include <jansson.h>

#include "guest/abi.h"
#include "host/cli/check_options.h"
#include "host/cli/messages.h"
#include "host/vmm/outcome.h"

struct repair_result {
        bool tried;
        bool done;            /* the image is another now */
        enum message message; /* why nothing has changed; or MESSAGE_NONE */
        int error;
        int signal; /* that ended it */
        enum edit_outcome outcome;
        struct abi_result result;
        struct run_trace trace;
        enum message warning; /* or MESSAGE_NONE */
        int index_error;      /* 0 or an errno */
        char journal_path[4352];
        uint64_t copied;     /* COPIED flags that were set right */
        json_t *repairs;     /* an array of objects; NULL: there was nothing to do */
        uint64_t not_listed; /* that the array has no room for */
};

/*
 * Repair the image, or with --dry-run only plan it.  `discard`: a journal that is in
 * conflict with the image is given up with it.
 */
void repair_image(const struct check_options *options, const char *path, bool discard,
                  struct repair_result *result);
void repair_release(struct repair_result *result);

#endif
