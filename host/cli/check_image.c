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
#include "host/vmm/proof.h"

static bool fail(struct check_result *result, enum message message, int error)
{
        result->message = message;
        result->error = abs(error);
        result->exit_code = EXIT_REFUSED;
        return false;
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

static bool look(struct check_run *run, const char *path, const char *journal,
                 bool dry_run, struct check_result *result)
{
        struct recovery *recovery = &result->recovery;
        const struct recovery_item *stop;
        struct image image;
        enum message message;
        int status;

        message = open_image(path, dry_run ? IMAGE_LOOK : IMAGE_EDIT, &image, &status);
        if (message)
                return fail(result, message, status);
        /* What the second look does, it has proved itself. */
        status = recovery_start(recovery, &image,
                                dry_run && !run->options->dry_run ? NULL : proof_run);
        recovery->dry_run = dry_run;
        recovery->discard = run->options->discard_journal;
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

/* Something to be done was found. */
static bool has_work(const struct recovery *recovery)
{
        for (unsigned int i = 0; i < recovery->count; i++)
                if (recovery->items[i].state >= RECOVERY_WOULD_UNDO &&
                    recovery->items[i].state <= RECOVERY_WOULD_DISCARD)
                        return true;
        return false;
}

void check_image(struct check_run *run, const char *path, const char *journal,
                 struct check_result *result)
{
        memset(result, 0, sizeof *result);
        if (!is_our_format(run->options->format)) {
                fail(result, MESSAGE_FORMAT, 0);
                return;
        }
        if (!look(run, path, journal, true, result) || run->options->dry_run ||
            !has_work(&result->recovery))
                return;
        recovery_release(&result->recovery);
        memset(result, 0, sizeof *result);
        look(run, path, journal, false, result);
}
