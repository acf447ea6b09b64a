/* SPDX-License-Identifier: MIT */
/*
 * What a run did to its image, in order: for tests that rebuild what a power loss may
 * leave.
 */
#ifndef INSTAR_TESTS_NATIVE_NATIVE_TRACE_H
#define INSTAR_TESTS_NATIVE_NATIVE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum native_event_kind {
        NATIVE_BEGIN,    /* of a transaction; offset: old size, length: final size */
        NATIVE_CLAIM,    /* clusters that the transaction takes */
        NATIVE_RESIZE,   /* offset: new size; old_size */
        NATIVE_WRITE,    /* old and new bytes */
        NATIVE_PUNCH,    /* old bytes */
        NATIVE_TRUNCATE, /* offset: new size; old: the bytes that were cut off */
        NATIVE_BARRIER,  /* everything before is durable */
        NATIVE_COMMIT,   /* the switch is durable */
};

struct native_event {
        enum native_event_kind kind;
        uint32_t transaction; /* from 1 */
        uint32_t step;
        uint32_t flags; /* ABI_CHANGE_* */
        bool release;   /* behind the switch: never undone */
        uint64_t offset;
        uint64_t length;
        uint64_t old_size; /* of the file, before this event */
        uint8_t *old;      /* malloc'ed, `length` bytes (cut off: old_size - offset) */
        uint8_t *new;
};

struct native_trace {
        struct native_event *events;
        size_t count;
        size_t capacity;
};

/* Append a copy; aborts where memory is exhausted. */
struct native_event *native_trace_add(struct native_trace *trace,
                                      const struct native_event *event);

/* Forget everything from event `count` on. */
void native_trace_cut(struct native_trace *trace, size_t count);

/* How many of the events change the image. */
size_t native_trace_changes(const struct native_trace *trace);

void native_trace_free(struct native_trace *trace);

/* A malloc'ed copy of bytes; aborts where memory is exhausted. */
uint8_t *native_bytes(const void *bytes, uint64_t length);

#endif
