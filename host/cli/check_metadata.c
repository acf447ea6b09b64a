/* SPDX-License-Identifier: MIT */
/*
 * The parent's end of the checker: reports come from a child that runs a hostile guest,
 * so kinds, lengths and order are checked here once more.
 */
#include "host/cli/check_metadata.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/check_findings.h"
#include "host/cli/damage_repair.h"
#include "host/cli/damage_text.h"
#include "host/cli/exit_code.h"
#include "host/cli/json.h"
#include "host/cli/open_image.h"
#include "host/cli/output.h"
#include "host/vmm/inspect_child.h"
#include "host/vmm/programs.h"

/* Damage that is kept for --output json; stderr has all of it. */
#define MAX_DAMAGE 10000u

static volatile sig_atomic_t progress_asked;

struct listener {
        const struct check_options *options;
        struct metadata *metadata;
        struct check_heading *heading;
        struct output err; /* put_text() */
        bool described;    /* the image report has come */
        bool print_failed; /* stdout takes nothing */
        struct abi_report_image image;
};

static void ask_for_progress(int signal_number)
{
        (void)signal_number;
        progress_asked = 1;
}

void metadata_catch_signal(void)
{
        struct sigaction action = {.sa_handler = ask_for_progress,
                                   .sa_flags = SA_RESTART};

        sigemptyset(&action.sa_mask);
        sigaction(SIGUSR1, &action, NULL);
}

/* ---- reports -------------------------------------------------------------------- */

static void put_text(struct listener *l, const char *bytes, size_t length)
{
        check_heading_tell(l->heading, &l->err);
        output_bytes(&l->err, bytes, length);
}

static int say(struct listener *l, const struct abi_finding *finding, const char *id,
               const char *name)
{
        struct text line;

        text_start(&line);
        if (!finding_append(&line, finding, id, name))
                return -EBADMSG;
        put_text(l, line.bytes, line.length);
        return 0;
}

static int take_findings(struct listener *l, const uint8_t *bytes, size_t length)
{
        struct abi_finding finding;
        int error = length % sizeof finding ? -EBADMSG : 0;

        for (size_t at = 0; at < length && !error; at += sizeof finding) {
                memcpy(&finding, bytes + at, sizeof finding);
                error = say(l, &finding, "", "");
        }
        return error;
}

static int take_snapshot_finding(struct listener *l, const uint8_t *bytes, size_t length)
{
        struct abi_report_snapshot_finding report;
        char id[256] = "";
        char name[256] = "";

        if (length < sizeof report)
                return -EBADMSG;
        memcpy(&report, bytes, sizeof report);
        if (report.id_length >= sizeof id || report.name_length >= sizeof name ||
            length != sizeof report + report.id_length + report.name_length)
                return -EBADMSG;
        memcpy(id, bytes + sizeof report, report.id_length);
        memcpy(name, bytes + sizeof report + report.id_length, report.name_length);
        return say(l, &report.finding, id, name);
}

/* What is told to people, as a value for programs. */
static json_t *damage_json(const struct listener *l, const struct text *what,
                           const struct abi_report_damage *report, const void *name)
{
        const struct damage_repair *repair = damage_repair(&l->image, report);
        json_t *object = json_object();

        json_object_set_new(object, "what", json_stringn(what->bytes, what->length));
        json_object_set_new(object, "repairable", json_boolean(repair->repairable));
        json_object_set_new(object, "repair", json_string(repair->text));
        if (report->name_length)
                json_set_bitmap(object, name, report->name_length);
        return object;
}

/* For programs; stderr has it in words of its own. */
static const struct text *
keep_damage(struct listener *l, const struct abi_report_damage *report, const void *name)
{
        static struct text what;
        struct metadata *m = l->metadata;

        text_start(&what);
        damage_append(&what, report, name, report->name_length);
        if (!m->damage)
                m->damage = json_array();
        if (json_array_size(m->damage) < MAX_DAMAGE)
                json_array_append_new(m->damage, damage_json(l, &what, report, name));
        else
                m->damage_not_listed++;
        return &what;
}

static int take_damage(struct listener *l, const uint8_t *bytes, size_t length)
{
        struct abi_report_damage report;
        const uint8_t *name = bytes + sizeof report;
        const struct text *what;

        if (length < sizeof report)
                return -EBADMSG;
        memcpy(&report, bytes, sizeof report);
        if (!damage_is_known(&report) || report.name_length > ABI_MAX_NAME ||
            length != sizeof report + report.name_length)
                return -EBADMSG;
        what = keep_damage(l, &report, name);
        put_text(l, what->bytes, what->length);
        output_string(&l->err, "\nhint: ");
        output_string(&l->err, damage_repair(&l->image, &report)->text);
        output_string(&l->err, "\n");
        return 0;
}

static int take_progress(struct listener *l, const uint8_t *bytes, size_t length)
{
        struct abi_report_progress report;
        char line[64];
        int shown;

        memcpy(&report, bytes, length == sizeof report ? length : 0);
        if (length != sizeof report || !report.done || report.done > report.total)
                return -EBADMSG;
        bool wanted =
            l->options->progress && !l->options->common.json && !l->options->common.quiet;

        if (!progress_asked && !wanted)
                return 0;
        shown = snprintf(line, sizeof line, "    (%.2f/100%%)%c",
                         (double)report.done * 100 / (double)report.total,
                         progress_asked ? '\n' : '\r');
        if (progress_asked) { /* where qemu-img has it: stdout may be JSON */
                put_text(l, line, (size_t)shown);
                output_finish(&l->err); /* and goes on */
                progress_asked = 0;
                return 0;
        }
        l->print_failed = write(STDOUT_FILENO, line, (size_t)shown) < 0;
        return l->print_failed ? -errno : 0;
}

/* JSON has signed numbers. */
static bool are_possible(const struct abi_report_check *sums)
{
        uint64_t all = sums->corruptions | sums->leaks | sums->check_errors |
                       sums->image_end | sums->total_clusters | sums->allocated_clusters |
                       sums->fragmented_clusters | sums->compressed_clusters |
                       sums->bitmap_faults;

        return all <= INT64_MAX;
}

static int take_sums(struct listener *l, const uint8_t *bytes, size_t length)
{
        struct metadata *m = l->metadata;

        if (m->checked || length != sizeof m->sums)
                return -EBADMSG;
        memcpy(&m->sums, bytes, length);
        if (!are_possible(&m->sums))
                return -EBADMSG;
        m->checked = true;
        return 0;
}

/* A report_sink. */
static int take(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        struct listener *l = context;

        if (l->metadata->checked || (kind == ABI_REPORT_IMAGE) == l->described)
                return -EBADMSG;
        switch (kind) {
        case ABI_REPORT_IMAGE:
                l->described = true;
                if (length != sizeof l->image)
                        return -EBADMSG;
                memcpy(&l->image, bytes, length);
                return 0;
        case ABI_REPORT_FINDINGS:
                return take_findings(l, bytes, length);
        case ABI_REPORT_SNAPSHOT_FINDING:
                return take_snapshot_finding(l, bytes, length);
        case ABI_REPORT_DAMAGE:
                return take_damage(l, bytes, length);
        case ABI_REPORT_PROGRESS:
                return take_progress(l, bytes, length);
        case ABI_REPORT_CHECK:
                return take_sums(l, bytes, length);
        default:
                return -EBADMSG;
        }
}

/* ---- the run -------------------------------------------------------------------- */

static void fail(struct metadata *m, enum message message, int error)
{
        m->message = message;
        m->error = abs(error);
        m->exit_code = EXIT_REFUSED;
}

/* As qemu-img: 1 where the check came to no end, 2 corruptions, 3 leaks only. */
static int exit_code_of(const struct abi_report_check *sums)
{
        if (sums->incomplete || sums->check_errors)
                return EXIT_REFUSED;
        if (sums->corruptions)
                return EXIT_CORRUPT;
        return sums->leaks ? EXIT_LEAKS : EXIT_DONE;
}

/* The run did not get as far as an outcome. */
static enum message message_of_error(int error, bool printing)
{
        if (error == -EBADMSG)
                return MESSAGE_PROTOCOL;
        return printing ? MESSAGE_PRINT_FAILED : MESSAGE_CHECK_DIED;
}

/* A header that says not even where things are: the guest could describe nothing. */
static void keep_header_fault(struct listener *l, const struct abi_result *result)
{
        struct abi_report_damage damage = {.code = result->code};

        memcpy(damage.detail, result->detail, sizeof damage.detail);
        if (result->code == ABI_BAD_HEADER)
                (void)keep_damage(l, &damage, "");
}

static void conclude(struct listener *l, int error, const struct inspect_report *report)
{
        struct metadata *m = l->metadata;
        struct message_values values = {0};

        m->outcome = report->outcome;
        m->result = report->result;
        m->trace = report->trace;
        if (error == -EINTR) {
                m->exit_code = EXIT_REFUSED; /* the end of the run tells of the signal */
        } else if (error) {
                fail(m, message_of_error(error, l->print_failed), error);
        } else if (report->outcome != EDIT_GUEST_RESULT) {
                fail(m, message_of_outcome(report->outcome, abs(report->error)),
                     report->error);
        } else if (report->result.code) {
                keep_header_fault(l, &report->result);
                fail(m,
                     report->result.code == ABI_TOO_LARGE
                         ? MESSAGE_CHECK_TOO_LARGE
                         : message_of_result(&report->result, &values),
                     0);
        } else if (!m->checked) {
                fail(m, MESSAGE_PROTOCOL, 0);
        } else {
                m->exit_code = exit_code_of(&m->sums);
                if (m->exit_code == EXIT_REFUSED)
                        m->message = MESSAGE_CHECK_FAILED;
        }
}

void metadata_check(const struct check_options *options, const char *path,
                    struct check_heading *heading, struct metadata *m)
{
        static struct listener listener;
        struct report_sink sink = {take, &listener};
        struct abi_call call = {.flags = ABI_CALL_PROGRESS};
        struct inspect_report report = {0};
        struct image image;
        int error;

        memset(m, 0, sizeof *m);
        memset(&listener, 0, sizeof listener);
        m->message =
            open_image(path, options->common.force_share ? IMAGE_LOOK_SHARED : IMAGE_LOOK,
                       &image, &error);
        if (m->message) {
                fail(m, m->message, error);
                return;
        }
        const struct child_request request = {.image = &image,
                                              .program = &guest_check_program,
                                              .call = &call,
                                              .memory = options->common.memory_limit,
                                              .sink = &sink,
                                              .interruptible = true};
        listener.options = options;
        listener.metadata = m;
        listener.heading = heading;
        output_start(&listener.err, STDERR_FILENO);
        error = inspect_in_child(&request, &report);
        output_finish(&listener.err);
        conclude(&listener, error, &report);
        image_close(&image);
}

void metadata_release(struct metadata *m)
{
        json_decref(m->damage);
        m->damage = NULL;
}
