/* SPDX-License-Identifier: MIT */
/* Recovery, by the journal's own code, of an image in memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/cut_journal.h"
#include "guest/ops/unreferenced.h"

/* ---- the image as the journal sees it --------------------------------------------- */

struct io {
        struct native_image *image;
        uint32_t changes;
        uint32_t limit; /* those before it are made; then nobody is left */
        bool gone;
        bool lengthened;
};

static bool goes(struct io *io)
{
        io->gone = io->gone || io->changes++ == io->limit;
        return io->gone;
}

static int io_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        const struct io *io = context;
        native_image_read(io->image, offset, buffer, length);
        return io->gone ? -ESHUTDOWN : 0;
}

static int io_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        struct io *io = context;
        if (goes(io))
                return -ESHUTDOWN;
        io->lengthened |= offset + length > io->image->size;
        native_image_write(io->image, offset, buffer, length);
        return 0;
}

static int io_sync(void *context)
{
        return goes(context) ? -ESHUTDOWN : 0;
}

static int io_resize(void *context, uint64_t size)
{
        struct io *io = context;
        if (goes(io))
                return -ESHUTDOWN;
        io->lengthened |= size > io->image->size;
        native_image_resize(io->image, size);
        return 0;
}

static int io_size(void *context, uint64_t *size)
{
        const struct io *io = context;
        *size = io->image->size;
        return io->gone ? -ESHUTDOWN : 0;
}

static struct image_io image_io_of(struct io *io)
{
        return (struct image_io){.context = io,
                                 .read = io_read,
                                 .write = io_write,
                                 .sync = io_sync,
                                 .resize = io_resize,
                                 .size = io_size};
}

/* ---- the proof -------------------------------------------------------------------- */

/* Nothing but the edit has written: so nothing refers to what it took (invariant 7). */
static void prove(struct cut_run *run, struct journal_found *found)
{
        struct journal_range *claims;
        size_t count;
        if (journal_found_claims(found, &claims, &count))
                cut_complain(run, "claims");
        for (size_t done = 0; done < count;) {
                struct abi_call call;
                size_t part =
                    count - done < ABI_MAX_RANGES ? count - done : ABI_MAX_RANGES;
                memset(&call, 0, sizeof call);
                call.range_count = (uint32_t)part;
                memcpy(call.ranges, claims + done, part * sizeof *claims);
                struct native_outcome outcome =
                    cut_run_look(run, &run->state, unreferenced_main, &call, NULL, NULL);
                if (outcome.result.code)
                        cut_complain(run, "not proved: code %u, at %llu",
                                     outcome.result.code,
                                     (unsigned long long)outcome.result.detail[0]);
                done += part;
        }
        free(claims);
}

/* ---- the recovery ----------------------------------------------------------------- */

static enum journal_verdict judge(struct cut_run *run, struct journal_found *found,
                                  struct io *io)
{
        const struct image_io image = image_io_of(io);
        enum journal_verdict verdict;
        if (journal_found_judge(found, &image, &verdict))
                cut_complain(run, "the journal cannot be judged by");
        if (verdict != (run->switched ? JOURNAL_VERDICT_COMPLETE : JOURNAL_VERDICT_UNDO))
                cut_complain(run, "verdict %d, and the switch is%s there", verdict,
                             run->switched ? "" : " not");
        return verdict;
}

static int act(struct journal_found *found, struct io *io, enum journal_verdict verdict)
{
        const struct image_io image = image_io_of(io);
        return verdict == JOURNAL_VERDICT_UNDO ? journal_found_undo(found, &image)
                                               : journal_found_complete(found, &image);
}

/* As one process does it, which may go in between. */
static void recover(struct cut_run *run, uint32_t limit)
{
        struct io io = {.image = &run->state, .limit = limit};
        struct journal_found *found = cut_journal_open(run);
        enum journal_verdict verdict = judge(run, found, &io);
        if (verdict == JOURNAL_VERDICT_UNDO)
                prove(run, found);
        int error = act(found, &io, verdict);
        if (error && !io.gone)
                cut_complain(run, "recovery: %s", strerror(-error));
        if (io.lengthened)
                cut_complain(run, "recovery has lengthened the image");
        journal_found_close(found);
}

void cut_recover(struct cut_run *run)
{
        cut_journal_leave(run);
        if (run->step.second_cut)
                recover(run, run->step.second_cut - 1u);
        if (cut_journal_is_there())
                recover(run, UINT32_MAX);
        if (cut_journal_is_there())
                cut_complain(run, "the journal is still there");
}
