/* SPDX-License-Identifier: MIT */
/* The guest's checker over one image, and what it has told. */
#ifndef INSTAR_HOST_CLI_CHECK_METADATA_H
#define INSTAR_HOST_CLI_CHECK_METADATA_H

#include <jansson.h>

#include "guest/abi_check.h"
#include "host/cli/check_heading.h"
#include "host/cli/check_options.h"
#include "host/cli/messages.h"
#include "host/vmm/outcome.h"

struct metadata {
        bool checked;         /* what follows is known */
        enum message message; /* why it could not be; or MESSAGE_NONE */
        int error;            /* the message's errno */
        enum edit_outcome outcome;
        struct abi_result result;
        struct run_trace trace;
        struct abi_report_check sums;
        uint64_t corruptions_fixed; /* by a repair */
        uint64_t leaks_fixed;
        json_t *damage; /* an array: what is wrong with bitmaps; NULL: nothing */
        uint64_t damage_not_listed; /* that the array has no room for */
        int exit_code;
};

/*
 * Run the checker over the image.  Its findings go to stderr as they come, below
 * `heading`, and progress to stdout where the options want it.  Fills *metadata, to be
 * released by metadata_release().
 */
void metadata_check(const struct check_options *options, const char *path,
                    struct check_heading *heading, struct metadata *metadata);
void metadata_release(struct metadata *metadata);

/* SIGUSR1 from now on asks for the progress; as qemu-img does. */
void metadata_catch_signal(void);

/* The sums as qemu-img tells them. */
void metadata_append_human(const struct metadata *metadata, struct text *out);

/* Add them to an object: qemu-img's keys in its order, then our own. */
void metadata_set_json(const struct metadata *metadata, const char *path, json_t *object);

#endif
