/* SPDX-License-Identifier: MIT */
/*
 * `instar check`: recover interrupted edits, of images that are named or of all that are
 * known.
 *
 * What was found goes to stdout, what failed to stderr; the exit code is the worst of all
 * images.  One image gives one JSON object, several give an array.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/check.h"
#include "host/cli/check_all.h"
#include "host/cli/check_errors.h"
#include "host/cli/check_image.h"
#include "host/cli/check_options.h"
#include "host/cli/check_report.h"
#include "host/cli/check_reset.h"
#include "host/cli/exit_code.h"
#include "host/cli/json.h"
#include "host/cli/program.h"
#include "host/cli/sandbox_option.h"
#include "host/sandbox/sandbox.h"
#include "host/vmm/signals.h"

static const char command[] = "instar check";

struct check {
        struct check_run run;
        const struct check_options *options;
        json_t *results; /* an array; NULL without --output json */
        bool told;       /* something was */
        int exit_code;   /* the worst so far */
        int output_error;
};

/* ---- telling ----------------------------------------------------------------- */

/* 1 is the worst, then 63, 2, 4, 5, 3, 0. */
static int rank(int exit_code)
{
        static const int from_best[] = {EXIT_DONE,     EXIT_LEAKS,   EXIT_BAD_JOURNAL,
                                        EXIT_CONFLICT, EXIT_CORRUPT, EXIT_NO_CHECK};
        int rank = 0;

        while (rank < 6 && from_best[rank] != exit_code)
                rank++;
        return rank;
}

static void count_in(struct check *check, int exit_code)
{
        if (rank(exit_code) > rank(check->exit_code))
                check->exit_code = exit_code;
}

static void tell(const struct text *text, int fd, struct check *check)
{
        int error = text_write(text, fd);

        check->told |= text->length != 0;
        if (error && fd == STDOUT_FILENO)
                check->output_error = error;
}

static void complain(struct check *check, enum message message,
                     const struct message_values *values, int exit_code)
{
        static struct text err;

        text_start(&err);
        message_append(&err, command, message, values);
        tell(&err, STDERR_FILENO, check);
        count_in(check, exit_code);
}

static void report(struct check *check, const char *path,
                   const struct check_result *result)
{
        static struct text out;
        static struct output err;

        text_start(&out);
        output_start(&err, STDERR_FILENO);
        if (check->results)
                json_array_append_new(check->results,
                                      check_report_json(check->options, path, result));
        else if (!check->options->common.quiet)
                check_report_human(path, result, &out);
        check_errors_put(check->options, path, result, &check->run.heading, &err);
        tell(&out, STDOUT_FILENO, check);
        check->told |= err.begun || err.text.length;
        (void)output_finish(&err);
        count_in(check, result->exit_code);
}

/* ---- one image ---------------------------------------------------------------- */

/* A journal that stays is worth an entry: the index may have been lost. */
static void remember(struct check *check, const char *path,
                     const struct check_result *result)
{
        const struct recovery_item *stop = recovery_stop(&result->recovery);
        char *resolved;

        if (!stop || check->options->dry_run || stop->state == RECOVERY_BUSY)
                return;
        resolved = realpath(path, NULL);
        if (resolved)
                known_remember(&check->run, resolved, stop->path);
        free(resolved);
}

/* Of several images: whose the lines are that follow. */
static void begin_image(struct check *check, const char *path)
{
        static struct text out;
        bool several = !check->options->all && check->options->path_count > 1;

        check->run.heading.path = several ? path : NULL;
        if (!several || check->results || check->options->common.quiet)
                return;
        text_start(&out);
        text_escaped(&out, path);
        text_string(&out, ":\n");
        tell(&out, STDOUT_FILENO, check);
}

/* False once a signal asks to stop: what was begun is finished. */
static bool check_one(struct check *check, const char *path, const char *journal)
{
        struct check_result result;

        if (signals_caught())
                return false;
        begin_image(check, path);
        check_image(&check->run, path, journal, &result);
        report(check, path, &result);
        remember(check, path, &result);
        check_image_release(&result);
        return true;
}

static void check_named(struct check *check)
{
        for (int i = 0; i < check->options->path_count; i++)
                if (!check_one(check, check->options->paths[i], NULL))
                        return;
}

/* ---- all ------------------------------------------------------------------------ */

static void folder_failed(void *context, const char *path, int error)
{
        const struct message_values values = {.path = path, .error = error};

        complain(context, MESSAGE_FOLDER, &values, EXIT_REFUSED);
}

/* A folder of our own that is not there has no journals. */
static void state_failed(void *context, const char *path, int error)
{
        if (error != ENOENT)
                folder_failed(context, path, error);
}

static void collect(struct check *check, struct known_journals *known)
{
        const char *state = check->run.places.state_directory;
        char *journals;

        known_from_index(&check->run, known);
        if (state && asprintf(&journals, "%s/journals", state) >= 0) {
                known_from_folder(journals, known, state_failed, check);
                free(journals);
        }
        if (check->run.places.journal_directory)
                known_from_folder(check->run.places.journal_directory, known,
                                  folder_failed, check);
        for (int i = 0; i < check->options->path_count; i++)
                known_from_folder(check->options->paths[i], known, folder_failed, check);
        if (known->no_memory)
                complain(check, MESSAGE_OUT_OF_MEMORY, &(struct message_values){0},
                         EXIT_REFUSED);
}

/* No image: an ended journal is of no use to anybody, another is told. */
static void check_orphan(struct check *check, const struct known_journal *journal,
                         const struct journal_found *found)
{
        const char *image = found->image_path ? found->image_path : journal->image;
        const struct message_values values = {.journal = journal->path, .path = image};
        bool hot = found->state == JOURNAL_HOT;
        enum message message = hot && image ? MESSAGE_IMAGE_NOT_FOUND : MESSAGE_ORPHAN;

        if (found->state == JOURNAL_ENDED || found->state == JOURNAL_EMPTY ||
            found->state == JOURNAL_BUSY)
                return;
        if (check->results)
                json_array_append_new(check->results, check_report_orphan_json(
                                                          image, journal->path,
                                                          hot ? "orphaned" : "unusable"));
        complain(check, message, &values, hot ? EXIT_REFUSED : EXIT_BAD_JOURNAL);
}

/* The index does not know whether the edit ended before the folder went away, so this
 * is no failure. */
static void tell_unreachable(struct check *check, const struct known_journal *journal)
{
        static struct text out;

        text_start(&out);
        if (check->results)
                json_array_append_new(check->results,
                                      check_report_orphan_json(
                                          journal->image, journal->path, "unreachable"));
        else if (!check->options->common.quiet)
                check_report_unreachable(journal->image, journal->path, &out);
        tell(&out, STDOUT_FILENO, check);
}

static bool check_known(struct check *check, const struct known_journal *journal)
{
        struct journal_found *found = NULL;
        char *image = known_image(journal, &found);
        bool go_on = true;

        if (!found && journal->image && !known_is_reachable(journal))
                tell_unreachable(check, journal);
        for (int i = 0; found && !image && i < check->options->path_count; i++)
                image = known_image_in(check->options->paths[i], found);
        if (found && !image)
                check_orphan(check, journal, found);
        journal_found_close(found);
        if (image)
                go_on = check_one(check, image, journal->path);
        free(image);
        return go_on;
}

/* An index that could not be read is begun afresh, for the journals that stay. */
static void restart_index(struct journal_places *places)
{
        if (!places->index_error)
                return;
        journal_index_stop(places->index);
        if (journal_index_start(places->state_directory, &places->index) < 0)
                places->index = NULL;
}

static void tell_line(struct check *check, const char *line)
{
        static struct text out;

        text_start(&out);
        text_string(&out, line);
        tell(&out, STDOUT_FILENO, check);
}

static void check_all(struct check *check)
{
        struct known_journals known = {0};

        collect(check, &known);
        restart_index(&check->run.places);
        for (size_t i = 0; i < known.count; i++)
                if (!check_known(check, &known.list[i]))
                        break;
        if (!check->told && !check->results && !check->options->common.quiet)
                tell_line(check, "no interrupted edits\n");
        known_release(&known);
}

/* ---- the whole --------------------------------------------------------------------- */

static bool start(struct check *check)
{
        const struct check_options *options = check->options;
        int error =
            journal_places_start(&check->run.places, options->common.journal_directory);

        check->run.options = options;
        if (options->common.json)
                check->results = json_array();
        return !error && (!options->common.json || check->results);
}

static void write_results(struct check *check)
{
        bool one = !check->options->all && check->options->path_count == 1 &&
                   json_array_size(check->results) == 1;
        const json_t *value = one ? json_array_get(check->results, 0) : check->results;

        if (check->results)
                check->output_error = json_write(value, STDOUT_FILENO);
}

static int finish(struct check *check)
{
        struct message_values values = {.error = abs(check->run.places.index_error)};

        write_results(check);
        if (check->run.places.index_error)
                complain(check, MESSAGE_WARNING_INDEX_READ, &values, EXIT_DONE);
        values.error = check->output_error;
        if (check->output_error)
                complain(check, MESSAGE_PRINT_FAILED, &values, EXIT_REFUSED);
        values.signal = signals_caught();
        if (values.signal) {
                complain(check, MESSAGE_CHECK_SIGNAL, &values, EXIT_DONE);
                return EXIT_SIGNAL_BASE + values.signal;
        }
        return check->exit_code;
}

static int run(const struct check_options *options)
{
        struct check check = {.options = options};
        int exit_code;

        signals_catch();
        metadata_catch_signal();
        if (start(&check)) {
                if (options->all)
                        check_all(&check);
                else
                        check_named(&check);
        } else {
                complain(&check, MESSAGE_OUT_OF_MEMORY, &(struct message_values){0},
                         EXIT_REFUSED);
        }
        exit_code = finish(&check);
        json_decref(check.results);
        journal_places_stop(&check.run.places);
        return exit_code;
}

int check_command(int argc, char **argv)
{
        struct check_options options;
        struct option_error error;
        enum parse_result asked = check_parse(argc, argv, &options, &error);
        int exit_code;

        if (asked == PARSE_RUN)
                asked = sandbox_option_choose(&options.common, &error);
        if (asked != PARSE_RUN)
                exit_code = program_answer(command, asked, check_help, &error);
        else if (options.reset_in_use)
                exit_code = check_reset(&options, argc, argv);
        else
                exit_code = run(&options);
        if (!sandbox_armed())
                free(options.paths);
        return exit_code;
}
