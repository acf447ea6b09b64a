/* SPDX-License-Identifier: MIT */
/*
 * The guest plans and writes in a child, as the checker runs in one: before and after it
 * the image is checked, each time by a fresh machine.
 */
#include "host/cli/check_repair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/edit_words.h"
#include "host/cli/environment.h"
#include "host/cli/json.h"
#include "host/cli/open_image.h"
#include "host/cli/repair_text.h"
#include "host/vmm/inspect_child.h"
#include "host/vmm/programs.h"

/* What is told of one image at most. */
#define MAX_REPAIRS 10000u

struct listener {
        struct repair_result *result;
};

/* A report_sink: nothing is told before it is done. */
static int take(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        static struct text what;
        struct listener *l = context;
        struct abi_report_repair report;
        const uint8_t *name = bytes + sizeof report;
        json_t *object;

        if (kind != ABI_REPORT_REPAIR || length < sizeof report)
                return -EBADMSG;
        memcpy(&report, bytes, sizeof report);
        if (report.name_length > ABI_MAX_NAME ||
            length != sizeof report + report.name_length)
                return -EBADMSG;
        text_start(&what);
        if (!repair_append(&what, &report, name))
                return -EBADMSG;
        if (report.kind == ABI_REPAIR_COPIED)
                l->result->copied += report.detail[0];
        if (!l->result->repairs)
                l->result->repairs = json_array();
        if (json_array_size(l->result->repairs) >= MAX_REPAIRS) {
                l->result->not_listed++;
                return 0;
        }
        object = json_object();
        json_object_set_new(object, "what", json_stringn(what.bytes, what.length));
        if (report.name_length)
                json_set_bitmap(object, name, report.name_length);
        json_array_append_new(l->result->repairs, object);
        return 0;
}

static uint32_t flags_of(const struct check_options *options)
{
        return (options->repair == CHECK_REPAIR_ALL ? ABI_CALL_REPAIR_ALL : 0) |
               (options->reset_damaged ? ABI_CALL_RESET_DAMAGED : 0) |
               (options->dry_run ? ABI_CALL_DRY_RUN : 0);
}

static void fail(struct repair_result *r, enum message message, int error)
{
        r->message = message;
        r->error = abs(error);
}

static void note_result(struct repair_result *r, int error)
{
        struct message_values values = {0};

        if (r->outcome != EDIT_GUEST_RESULT)
                fail(r, edit_words_of_outcome(r->outcome, error, r->journal_path), error);
        else if (r->result.code == ABI_TOO_LARGE)
                fail(r, MESSAGE_CHECK_TOO_LARGE, 0);
        else
                fail(r, message_of_result(&r->result, &values), 0);
}

static void plan(const struct child_request *request, struct repair_result *r)
{
        struct inspect_report report = {0};
        int error = inspect_in_child(request, &report);

        r->outcome = report.outcome;
        r->result = report.result;
        r->trace = report.trace;
        if (error == -EINTR)
                return; /* the end of the run tells of the signal */
        if (error)
                fail(r, error == -EBADMSG ? MESSAGE_PROTOCOL : MESSAGE_CHECK_DIED, error);
        else
                note_result(r, report.error);
}

static char *describe(const struct check_options *options)
{
        const char *words = options->repair == CHECK_REPAIR_ALL ? "instar check -r all"
                                                                : "instar check -r leaks";

        return strdup(words);
}

static void write_plan(const struct check_options *options, bool discard,
                       const struct child_request *request, struct repair_result *r)
{
        char *asked = describe(options);
        const struct edit_request edit = {
            .image = request->image,
            .program = request->program,
            .call = request->call,
            .asked = asked,
            .journal_directory =
                environment_journal_directory(options->common.journal_directory),
            .discard_journal = discard,
        };
        static struct child_edit report;
        int error;

        memset(&report, 0, sizeof report);
        error = asked ? edit_in_child(request, &edit, &report) : 0;
        r->outcome = report.outcome;
        r->result = report.result;
        r->trace = report.trace;
        r->signal = report.signal;
        r->index_error = abs(report.index_error);
        memcpy(r->journal_path, report.journal_path, sizeof r->journal_path);
        if (!asked)
                fail(r, MESSAGE_OUT_OF_MEMORY, 0);
        else if (error && !report.ended)
                fail(r, MESSAGE_REPAIR_UNKNOWN, error);
        else if (error && report.committed)
                r->warning = MESSAGE_WARNING_REPAIR_UNTOLD;
        else if (error && report.outcome == EDIT_GUEST_RESULT)
                fail(r, MESSAGE_PROTOCOL, error);
        else if (!report.committed || report.outcome == EDIT_ROLLBACK_FAILED)
                note_result(r, report.error);
        else if (report.outcome == EDIT_JOURNAL_KEPT)
                r->warning = MESSAGE_WARNING_JOURNAL_KEPT;
        else if (report.outcome != EDIT_GUEST_RESULT || report.result.code)
                r->warning = MESSAGE_WARNING_UNFINISHED;
        r->done = report.committed;
        free(asked);
}

void repair_image(const struct check_options *options, const char *path, bool discard,
                  struct repair_result *r)
{
        struct report_sink sink = {take, &(struct listener){r}};
        struct abi_call call = {.flags = flags_of(options)};
        struct image image;
        int error;
        enum message message =
            open_image(path, options->dry_run ? IMAGE_LOOK : IMAGE_EDIT, &image, &error);

        r->tried = true;
        if (message) {
                fail(r, message, error);
                return;
        }
        const struct child_request request = {.image = &image,
                                              .program = &guest_repair_program,
                                              .call = &call,
                                              .memory = options->common.memory_limit,
                                              .sink = &sink,
                                              .interruptible = options->dry_run};
        if (options->dry_run)
                plan(&request, r);
        else
                write_plan(options, discard, &request, r);
        image_close(&image);
}

void repair_release(struct repair_result *r)
{
        json_decref(r->repairs);
        r->repairs = NULL;
}
