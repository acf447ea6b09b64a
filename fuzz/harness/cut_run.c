/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/cut_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/guest_state.h"
#include "fuzz/harness/guest_hosts.h"
#include "fuzz/harness/guest_names.h"
#include "guest/ops/bitmap.h"
#include "guest/ops/repair.h"
#include "guest/ops/resize.h"

void cut_complain(const struct cut_run *run, const char *format, ...)
{
        static const char *const operations[] = {"bitmap", "resize", "repair"};
        va_list arguments;
        fprintf(stderr, "%s, cut behind event %zu: ", operations[run->step.operation],
                run->end);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        abort();
}

void cut_run_open(struct cut_run *run)
{
        struct guest_hosts hosts = guest_hosts_open(CUT_CAPACITY, false);
        run->host = hosts.host;
        run->looker = hosts.looker;
        if (!native_image_create(&run->before, CUT_CAPACITY, 512) ||
            !native_image_create(&run->state, CUT_CAPACITY, 512) ||
            !native_image_create(&run->origin, CUT_CAPACITY, 512))
                abort();
        run->image = native_host_image(run->host);
}

/* ---- the call --------------------------------------------------------------------- */

static uint32_t call_flags(const struct cut_step *step)
{
        uint32_t flags = step->flags & CUT_FLAG_NO_SCAN ? ABI_CALL_NO_OWNERSHIP_SCAN : 0;
        if (step->operation == CUT_RESIZE && step->flags & CUT_FLAG_SHRINK)
                flags |= ABI_CALL_SHRINK;
        if (step->operation != CUT_REPAIR)
                return flags;
        return (step->flags & CUT_FLAG_ALL ? ABI_CALL_REPAIR_ALL : 0) |
               (step->flags & CUT_FLAG_RESET ? ABI_CALL_RESET_DAMAGED : 0);
}

/* As the command line would fill it in. */
static void fill_call(struct cut_run *run)
{
        const struct cut_step *step = &run->step;
        struct abi_call *call = &run->call;
        memset(call, 0, sizeof *call);
        call->flags = call_flags(step);
        call->size = (step->size + 1ull) * ABI_SECTOR;
        if (step->operation != CUT_BITMAP)
                return;
        if (step->flags & CUT_FLAG_REMOVE_ALL) {
                call->actions[call->action_count++] = ABI_ACTION_REMOVE_ALL;
                return;
        }
        for (; call->action_count < step->action_count; call->action_count++)
                call->actions[call->action_count] = step->actions[call->action_count];
        call->granularity = step->granularity ? 512ull << step->granularity % 8 : 0;
        call->target_length = guest_name(run->image, step->target, call->target);
        guest_sources(run->image, step->sources, step->source_count, call);
}

/* ---- runs ------------------------------------------------------------------------- */

static void ignore(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        (void)context;
        (void)kind;
        (void)bytes;
        (void)length;
}

void cut_run_operation(struct cut_run *run)
{
        static void (*const programs[])(void) = {
            [CUT_BITMAP] = guest_main,
            [CUT_RESIZE] = resize_main,
            [CUT_REPAIR] = repair_main,
        };
        run->end = 0;
        fill_call(run);
        native_image_copy(&run->before, run->image);
        guest_state_restore();
        if (run->step.operation == CUT_REPAIR)
                native_host_report_to(run->host, ignore, NULL);
        run->outcome = native_run(run->host, programs[run->step.operation], &run->call);
        native_host_set_sink(run->host, NULL, NULL);
}

struct native_outcome cut_run_look(struct cut_run *run, const struct native_image *image,
                                   void (*program)(void), const struct abi_call *call,
                                   native_sink *sink, void *context)
{
        struct native_image *lent = native_host_image(run->looker);
        const struct native_image own = *lent;
        *lent = *image;
        guest_state_restore();
        native_host_set_sink(run->looker, sink ? sink : ignore, context);
        struct native_outcome outcome = native_run(run->looker, program, call);
        native_host_set_sink(run->looker, NULL, NULL);
        *lent = own;
        if (outcome.status)
                cut_complain(run, "a look: %s", outcome.rule ? outcome.rule : "status");
        return outcome;
}
