/* SPDX-License-Identifier: MIT */
#include "tests/native/native_trace.h"

#include <stdlib.h>
#include <string.h>

struct native_event *native_trace_add(struct native_trace *trace,
                                      const struct native_event *event)
{
        if (trace->count == trace->capacity) {
                trace->capacity = trace->capacity ? 2 * trace->capacity : 64;
                trace->events =
                    realloc(trace->events, trace->capacity * sizeof *trace->events);
                if (!trace->events)
                        abort();
        }
        trace->events[trace->count] = *event;
        return &trace->events[trace->count++];
}

void native_trace_cut(struct native_trace *trace, size_t count)
{
        while (trace->count > count) {
                struct native_event *event = &trace->events[--trace->count];
                free(event->old);
                free(event->new);
        }
}

size_t native_trace_changes(const struct native_trace *trace)
{
        size_t changes = 0;
        for (size_t i = 0; i < trace->count; i++) {
                enum native_event_kind kind = trace->events[i].kind;
                changes += kind == NATIVE_RESIZE || kind == NATIVE_WRITE ||
                           kind == NATIVE_PUNCH || kind == NATIVE_TRUNCATE;
        }
        return changes;
}

void native_trace_free(struct native_trace *trace)
{
        native_trace_cut(trace, 0);
        free(trace->events);
        memset(trace, 0, sizeof *trace);
}

uint8_t *native_bytes(const void *bytes, uint64_t length)
{
        uint8_t *copy = malloc(length ? length : 1);
        if (!copy)
                abort();
        memcpy(copy, bytes, length);
        return copy;
}
