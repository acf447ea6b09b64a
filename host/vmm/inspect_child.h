/* SPDX-License-Identifier: MIT */
/*
 * A guest program that only looks, in a process of its own with a sandbox of its own: the
 * caller goes on as it was, and may do so for many images.
 */
#ifndef INSTAR_HOST_VMM_INSPECT_CHILD_H
#define INSTAR_HOST_VMM_INSPECT_CHILD_H

#include "host/vmm/edit.h"
#include "host/vmm/inspect.h"

struct child_request {
        struct image *image;
        const struct vm_program *program;
        struct abi_call *call;
        uint64_t memory;                /* bytes of guest memory; 0: INSPECT_MEMORY */
        const struct report_sink *sink; /* runs in the caller; NULL: no reports */
        bool interruptible; /* a signal that signals_catch() has caught ends it */
};

/*
 * Run it and wait for its end.  The child has the caller's descriptors, image and locks
 * included, and ignores signals of the terminal: it ends with its caller at the latest.
 * Before the caller's own sandbox is armed.  0 and *report, or a negative errno where the
 * child could not be started or died without a word, the sink's, or -EINTR for a
 * signal; then the outcome is nobody's.
 */
int inspect_in_child(const struct child_request *request, struct inspect_report *report);

/* What an edit in a child leaves behind: the part of struct edit_report that has no
 * pointers. */
struct child_edit {
        bool ended; /* it is told how; else what became of the edit is not known */
        enum edit_outcome outcome;
        struct abi_result result;
        int error;
        int signal;
        bool committed;
        int index_error;
        char journal_path[sizeof((struct edit_report){0}.journal_path)];
        struct run_trace trace;
};

/*
 * The same for an edit, whose request has neither sink nor memory of its own: those of
 * `request` are taken.  A signal that the caller gets is passed on: the edit ends as it
 * would have done in the caller.  It ends by itself, too, if the caller is killed.  With
 * an error, too, which may be the sink's, report->ended says whether that is known.
 */
int edit_in_child(const struct child_request *request, const struct edit_request *edit,
                  struct child_edit *report);

#endif
