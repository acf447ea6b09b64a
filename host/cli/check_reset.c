/* SPDX-License-Identifier: MIT */
/*
 * `instar check --reset-in-use`: an edit, with the same guest program, journal and
 * recovery as `instar bitmap`.  A bitmap in use missed writes, so that only "all of it is
 * dirty" is a safe thing to say of it; a machine that lives keeps its image locked.
 *
 * The words for programs are made before the edit: under the sandbox there is no memory.
 */
#include "host/cli/check_reset.h"

#include <stdlib.h>
#include <string.h>

#include "host/cli/debug.h"
#include "host/cli/edit_command.h"
#include "host/cli/edit_words.h"
#include "host/cli/exit_code.h"
#include "host/cli/info_view.h"
#include "host/cli/journal_places.h"
#include "host/cli/json.h"
#include "host/cli/open_image.h"
#include "host/cli/program.h"
#include "host/sandbox/sandbox.h"
#include "host/vmm/inspect.h"
#include "host/vmm/programs.h"

static const char command[] = "instar check";

struct reset {
        const struct check_options *options;
        const char *path;
        const char *name;
        struct abi_call call;
        char *json[2]; /* where nothing changes, and where the bitmap does */
};

/* ---- what is told -------------------------------------------------------------- */

static void append_what(const struct reset *reset, struct text *text)
{
        text_string(text, "bitmap '");
        text_escaped(text, reset->name);
        text_string(text, "' marked all dirty: it was in use");
}

static void append_human(const struct reset *reset, bool changes, struct text *out)
{
        if (changes) {
                text_string(out, reset->options->dry_run ? "would be repaired: "
                                                         : "repaired: ");
                append_what(reset, out);
                text_string(out, "\n");
                return;
        }
        text_string(out, "bitmap '");
        text_escaped(out, reset->name);
        text_string(out, "' is not in use: nothing changed\n");
}

static void append_result(const struct reset *reset, bool changes, struct text *out)
{
        if (reset->options->common.json)
                text_string(out, reset->json[changes]);
        else if (!reset->options->common.quiet)
                append_human(reset, changes, out);
}

/* The list of what is repaired: the bitmap, or nothing. */
static char *make_json(const struct reset *reset, bool changes)
{
        static struct text what;
        json_t *object = json_object();
        json_t *repairs = json_array();
        json_t *repair = json_object();
        char *text;

        text_start(&what);
        append_what(reset, &what);
        json_object_set_new(repair, "what", json_stringn(what.bytes, what.length));
        json_set_bitmap(repair, reset->name, strlen(reset->name));
        if (changes)
                json_array_append(repairs, repair);
        json_decref(repair);
        json_object_set_new(object, "filename", json_plain(reset->path));
        json_object_set_new(object, "format", json_string("qcow2"));
        json_object_set_new(object, "instar-repairs", repairs);
        text = json_text(object);
        json_decref(object);
        return text;
}

static int refuse(const struct reset *reset, enum message message, int error)
{
        const struct message_values values = {.path = reset->path,
                                              .argument = reset->options->common.format,
                                              .error = error};

        return program_refuse(command, message, &values);
}

static struct edit_words words_of(const struct reset *reset)
{
        return (struct edit_words){
            .command = command,
            .path = reset->path,
            .argument = reset->name,
            .in_use = MESSAGE_RESET_UNUSABLE,
            .debug = debug_wanted(),
        };
}

static int tell(const void *context, const struct edit_report *report, struct text *out,
                struct text *err)
{
        const struct reset *reset = context;
        const struct edit_words words = words_of(reset);
        int exit_code = EXIT_DONE;

        if (edit_was_done(report)) {
                /* Whatever is committed has changed it, even if the guest never told. */
                append_result(reset, report->result.affected || report->committed, out);
                edit_words_leftovers(&words, report, err);
        } else {
                exit_code = edit_words_failure(&words, report, err);
        }
        edit_words_notes(&words, report, exit_code, err);
        return exit_code;
}

/* ---- the plan ------------------------------------------------------------------ */

/* True if an edit waits to be recovered: what is there now will change. */
static bool is_pending(const struct reset *reset, struct image *image, int *error)
{
        struct journal_places places;
        struct recovery recovery = {0};
        bool pending = false;

        *error = journal_places_start(&places, reset->options->common.journal_directory);
        if (*error)
                return false;
        *error = recovery_start(&recovery, image, NULL);
        recovery.dry_run = true;
        if (!*error)
                *error = journal_places_search(&places, image, NULL, &recovery);
        for (unsigned int i = 0; i < recovery.count; i++)
                pending = pending || info_is_pending(&recovery.items[i]);
        recovery_release(&recovery);
        journal_places_stop(&places);
        return pending;
}

static int look_at(struct reset *reset, struct image *image)
{
        struct inspect_report look;
        static struct edit_report planned;
        static struct text out;
        static struct text err;
        int error;

        if (is_pending(reset, image, &error))
                return refuse(reset, MESSAGE_RESET_PENDING, 0);
        if (error < 0)
                return refuse(reset, MESSAGE_JOURNAL_SEARCH, -error);
        reset->call.flags |= ABI_CALL_DRY_RUN;
        inspect(image, &guest_bitmap_program, &reset->call, NULL, &look);
        planned.outcome = look.outcome;
        planned.result = look.result;
        planned.result.leaked_clusters = 0; /* none is yet */
        planned.error = look.error;
        planned.trace = look.trace;
        text_start(&out);
        text_start(&err);
        return program_deliver(command, MESSAGE_PRINT_FAILED, &out, &err,
                               tell(reset, &planned, &out, &err));
}

static int plan(struct reset *reset)
{
        struct image image;
        int error = 0;
        enum message message = open_image(reset->path, IMAGE_LOOK, &image, &error);
        int exit_code;

        if (message)
                return refuse(reset, message, error);
        exit_code = look_at(reset, &image);
        if (!sandbox_armed())
                image_close(&image);
        return exit_code;
}

/* ---- the whole ----------------------------------------------------------------- */

static enum message take_name(struct reset *reset)
{
        size_t length = strlen(reset->name);

        if (!length || length > ABI_MAX_NAME)
                return MESSAGE_TARGET_LENGTH;
        memcpy(reset->call.target, reset->name, length);
        reset->call.target_length = (uint32_t)length;
        reset->call.actions[0] = ABI_ACTION_RESET;
        reset->call.action_count = 1;
        return MESSAGE_NONE;
}

static bool make_words(struct reset *reset)
{
        reset->json[0] = make_json(reset, false);
        reset->json[1] = make_json(reset, true);
        return reset->json[0] && reset->json[1];
}

static int run(struct reset *reset, int argc, char **argv)
{
        const struct edit_command edit = {
            .command = command,
            .filename = reset->path,
            .options = &reset->options->common,
            .program = &guest_bitmap_program,
            .call = &reset->call,
            .report = tell,
            .context = reset,
        };
        enum message message = is_our_format(reset->options->common.format)
                                   ? take_name(reset)
                                   : MESSAGE_FORMAT;

        if (!message && !make_words(reset))
                message = MESSAGE_OUT_OF_MEMORY;
        if (message)
                return refuse(reset, message, 0);
        return reset->options->dry_run ? plan(reset)
                                       : edit_command_run(&edit, argc, argv);
}

int check_reset(const struct check_options *options, int argc, char **argv)
{
        static struct reset reset;
        int exit_code;

        reset = (struct reset){
            .options = options, .path = options->paths[0], .name = options->reset_in_use};
        exit_code = run(&reset, argc, argv);
        if (!sandbox_armed()) { /* else the end of the process frees them */
                free(reset.json[0]);
                free(reset.json[1]);
        }
        return exit_code;
}
