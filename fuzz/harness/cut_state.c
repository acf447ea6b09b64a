/* SPDX-License-Identifier: MIT */
/*
 * What a cut leaves of an operation.  Everything before the last barrier is there; of
 * what comes behind it, up to the cut, any sectors of any writes, the new size, and
 * holes.  (A transaction begins with everything before it durable: the host syncs its
 * holes, too.)
 */
#include "fuzz/harness/cut_run.h"

struct cut {
        struct cut_run *run;
        uint64_t chosen;
        uint32_t pieces;
};

static void apply_write(struct native_image *image, const struct native_event *event,
                        uint64_t from, uint64_t to)
{
        native_image_write(image, from, event->new + (from - event->offset), to - from);
}

/* A write may have made it larger already. */
static void apply_other(struct native_image *image, const struct native_event *event)
{
        if (event->kind == NATIVE_PUNCH)
                native_image_punch(image, event->offset, event->length);
        if (event->kind == NATIVE_TRUNCATE ||
            (event->kind == NATIVE_RESIZE && image->size < event->offset))
                native_image_resize(image, event->offset);
}

static bool is_chosen(struct cut *cut)
{
        return cut->chosen >> cut->pieces++ % 64 & 1;
}

/* True if its last piece was there: a switch has but one. */
static bool apply_some(struct cut *cut, const struct native_event *event)
{
        struct native_image *image = &cut->run->state;
        uint64_t end = event->offset + event->length;
        bool there = false;
        if (event->kind != NATIVE_WRITE) {
                if (is_chosen(cut))
                        apply_other(image, event);
                return false;
        }
        for (uint64_t at = event->offset; at < end;) {
                uint64_t next = (at / ABI_SECTOR + 1) * ABI_SECTOR;
                next = next < end ? next : end;
                there = is_chosen(cut);
                if (there)
                        apply_write(image, event, at, next);
                at = next;
        }
        return there;
}

static void apply_all(struct native_image *image, const struct native_event *event)
{
        if (event->kind == NATIVE_WRITE)
                apply_write(image, event, event->offset, event->offset + event->length);
        else
                apply_other(image, event);
}

static void note_begin(struct cut_run *run, size_t i)
{
        native_image_copy(&run->origin, &run->state);
        run->open = true;
        run->begin = i;
        run->switched = false;
}

/* Marks, and what they say of the transaction. */
static void note(struct cut_run *run, const struct native_event *event, size_t i)
{
        const struct native_trace *trace = native_host_trace(run->host);
        uint32_t last = trace->events[trace->count - 1].transaction;
        if (event->kind == NATIVE_BEGIN)
                note_begin(run, i);
        if (event->kind == NATIVE_COMMIT)
                run->open = false;
        run->first = event->transaction == 1;
        run->last = event->transaction == last;
}

static size_t last_barrier(const struct native_trace *trace, size_t end)
{
        while (end && trace->events[end - 1].kind != NATIVE_BARRIER &&
               trace->events[end - 1].kind != NATIVE_BEGIN)
                end--;
        return end;
}

void cut_state(struct cut_run *run)
{
        const struct native_trace *trace = native_host_trace(run->host);
        struct cut cut = {.run = run, .chosen = run->step.chosen};
        run->end = (run->step.cut - 1u) % (trace->count + 1);
        if (run->step.flags & CUT_FLAG_PROCESS)
                cut.chosen = UINT64_MAX;
        size_t barrier = last_barrier(trace, run->end);
        native_image_copy(&run->state, &run->before);
        run->open = false;
        run->switched = false;
        run->first = true;
        run->last = false;
        for (size_t i = 0; i < run->end; i++) {
                const struct native_event *event = &trace->events[i];
                bool there = true;
                if (i < barrier)
                        apply_all(&run->state, event);
                else
                        there = apply_some(&cut, event);
                if (event->kind == NATIVE_WRITE && event->flags & ABI_CHANGE_SWITCH)
                        run->switched = there;
                note(run, event, i);
        }
        run->committed = run->last && run->switched;
}
