/* SPDX-License-Identifier: MIT */
/*
 * Two looks: the first changes nothing and asks for no more than a reader may, so that
 * an image that nothing is wrong with can be checked by whoever may read it.  Only what
 * the first one finds makes the second open the image for writing.
 */
#include "host/cli/check_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/open_image.h"
#include "host/cli/recovery_exit.h"
#include "host/vmm/examiner.h"
#include "host/vmm/signals.h"

static bool fail(struct check_result *result, enum message message, int error)
{
        result->message = message;
        result->error = abs(error);
        result->exit_code = EXIT_REFUSED;
        return false;
}

/* As qemu-img: what is not said to be qcow2, and is not, cannot be checked. */
static void note_other_format(const struct check_options *options,
                              struct check_result *result)
{
        if (result->message == MESSAGE_FORMAT ||
            (result->message == MESSAGE_NOT_QCOW2 && !options->common.format))
                result->exit_code = EXIT_NO_CHECK;
}

static int search(struct check_run *run, const struct image *image, const char *journal,
                  struct recovery *recovery)
{
        struct journal_places *places = &run->places;
        int status = journal_places_search(places, image, journal, recovery);

        recovery_remember(recovery, places->index);
        (void)journal_index_wait(places->index);
        return status;
}

static enum image_use use_to_look(const struct check_options *options)
{
        return options->common.force_share ? IMAGE_LOOK_SHARED : IMAGE_LOOK;
}

/* Where others may write meanwhile, nothing is recovered. */
static bool only_looks(const struct check_options *options)
{
        return options->dry_run || options->common.force_share;
}

static bool look(struct check_run *run, const char *path, const char *journal,
                 bool dry_run, struct check_result *result)
{
        struct recovery *recovery = &result->recovery;
        const struct recovery_item *stop;
        struct image image;
        enum message message;
        int status;

        message = open_image(path, dry_run ? use_to_look(run->options) : IMAGE_EDIT,
                             &image, &status);
        if (message)
                return fail(result, message, status);
        /* The second look proves and checks what it acts on. */
        status = recovery_start(
            recovery, &image,
            dry_run && !only_looks(run->options) ? NULL : &examiner_by_guest);
        recovery->dry_run = dry_run;
        recovery->discard = run->options->common.discard_journal;
        if (status == 0)
                status = search(run, &image, journal, recovery);
        image_close(&image);
        recovery->image = NULL;
        if (status < 0)
                return fail(result, MESSAGE_JOURNAL_SEARCH, status);
        stop = recovery_stop(recovery);
        result->exit_code = stop ? exit_code_of_recovery(stop->state) : EXIT_DONE;
        return true;
}

/* Something is to be done, or has to be checked first. */
static bool is_work(const struct recovery_item *item)
{
        return (item->state >= RECOVERY_WOULD_UNDO &&
                item->state <= RECOVERY_WOULD_DISCARD) ||
               (item->state == RECOVERY_CONFLICT && !item->finding);
}

static bool has_work(const struct recovery *recovery)
{
        for (unsigned int i = 0; i < recovery->count; i++)
                if (is_work(&recovery->items[i]))
                        return true;
        return false;
}

/* False where something stops it. */
static bool recover(struct check_run *run, const char *path, const char *journal,
                    struct check_result *result)
{
        if (!look(run, path, journal, true, result))
                return false;
        if (!only_looks(run->options) && has_work(&result->recovery)) {
                recovery_release(&result->recovery);
                memset(result, 0, sizeof *result);
                if (!look(run, path, journal, false, result))
                        return false;
        }
        /* What is pending will change the image: what is there now says nothing. */
        return !recovery_stop(&result->recovery) && !has_work(&result->recovery);
}

/* A conflict is what -r all is for: the image is repaired as it is. */
static bool goes_on(const struct check_run *run, const struct check_result *result)
{
        const struct recovery_item *stop = recovery_stop(&result->recovery);

        return !result->message && stop && stop->state == RECOVERY_CONFLICT &&
               run->options->repair == CHECK_REPAIR_ALL;
}

static bool wants_repair(const struct check_options *options, const struct metadata *m)
{
        if (signals_caught())
                return false;
        return options->repair == CHECK_REPAIR_ALL ||
               (options->repair == CHECK_REPAIR_LEAKS && m->checked &&
                (m->sums.leaks || m->sums.corruptions));
}

/* What is there no more; never less than nothing. */
static uint64_t fixed(uint64_t before, uint64_t now)
{
        return before > now ? before - now : 0;
}

/* As qemu-img counts: -r leaks looks at COPIED flags once the refcounts are right. */
static void note_fixed(const struct check_options *options,
                       const struct abi_report_check *before,
                       const struct repair_result *done, struct metadata *m)
{
        m->leaks_fixed = fixed(before->leaks, m->sums.leaks);
        m->corruptions_fixed = options->repair == CHECK_REPAIR_LEAKS
                                   ? done->copied
                                   : fixed(before->corruptions, m->sums.corruptions);
}

static void repair(struct check_run *run, const char *path, bool discard,
                   struct check_result *result)
{
        const struct check_options *options = run->options;

        result->before = result->metadata.sums;
        repair_image(options, path, discard, &result->repair);
        if (result->repair.message)
                result->exit_code = EXIT_REFUSED;
        if (!result->repair.done)
                return;
        metadata_release(&result->metadata);
        metadata_check(options, path, &run->heading, &result->metadata);
        note_fixed(options, &result->before, &result->repair, &result->metadata);
        result->exit_code = result->metadata.exit_code;
}

void check_image(struct check_run *run, const char *path, const char *journal,
                 struct check_result *result)
{
        bool discard = false;

        memset(result, 0, sizeof *result);
        if (!is_our_format(run->options->common.format))
                fail(result, MESSAGE_FORMAT, 0);
        if (result->message || !recover(run, path, journal, result)) {
                note_other_format(run->options, result);
                discard = goes_on(run, result);
                if (!discard)
                        return;
        }
        if (run->options->all)
                return;
        metadata_check(run->options, path, &run->heading, &result->metadata);
        result->exit_code = result->metadata.exit_code;
        if (wants_repair(run->options, &result->metadata))
                repair(run, path, discard, result);
}

void check_image_release(struct check_result *result)
{
        metadata_release(&result->metadata);
        repair_release(&result->repair);
        recovery_release(&result->recovery);
}
