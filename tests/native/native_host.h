/* SPDX-License-Identifier: MIT */
/*
 * The host of a guest program in one process: guest/rt/platform.h over an image in
 * memory, for unit tests and fuzzers.
 *
 * Requests are carried out by the rules that the real host keeps (host/vmm/doorbell.c,
 * transaction.c, declare.c, pending.c): a run in which the guest would have been
 * ended for breaking them ends as NATIVE_PROTOCOL, with the rule in words.  There is no
 * journal file; undo records are the trace's old bytes, and an open transaction is rolled
 * back at the end of the run.
 *
 * The guest has static variables, so one run at a time in a process; but any number
 * of hosts may exist.  A host keeps no memory of one run in the next but the image.
 */
#ifndef INSTAR_TESTS_NATIVE_NATIVE_HOST_H
#define INSTAR_TESTS_NATIVE_NATIVE_HOST_H

#include "guest/abi.h"
#include "tests/native/native_image.h"
#include "tests/native/native_trace.h"

enum native_status {
        NATIVE_OK,      /* the guest ended by itself: see result.code */
        NATIVE_CHANGED, /* what the plan rests on has changed: the host tries again */
        NATIVE_PROTOCOL,
        NATIVE_READ_ERROR,
        NATIVE_WRITE_ERROR,
};

struct native_outcome {
        enum native_status status;
        const char *rule; /* NATIVE_PROTOCOL: the rule that was broken */
        struct abi_result result;
        bool committed; /* a switch became durable */
        bool rolled_back;
        uint64_t doorbells;
        uint64_t requests;
        uint64_t bytes_read;
        uint64_t bytes_written;
        uint64_t syncs;
        uint64_t queries; /* for holes */
};

struct native_host;

/* 0 for the defaults: an image of 1 GiB at most, 256 MiB of guest memory, holes of
 * 512 bytes. */
struct native_options {
        uint64_t image_capacity;
        uint64_t memory_limit;
        uint32_t hole_size;
        bool block_device;
        /* The arena's pages stay from run to run, cleared by hand: runs are quicker, and
         * native_host_arena_used() has no meaning. */
        bool keep_arena;
        /* The trace's events have no bytes, but those that undoing takes. */
        bool bare_trace;
};

/* NULL where memory cannot be reserved. */
struct native_host *native_host_create(const struct native_options *options);
void native_host_destroy(struct native_host *host);

struct native_image *native_host_image(struct native_host *host);

/* Of the last run.  Valid until the next. */
const struct native_trace *native_host_trace(const struct native_host *host);

/* Of the last run: bytes from the arena's start to the last page it touched. */
uint64_t native_host_arena_used(const struct native_host *host);

void native_host_set_memory_limit(struct native_host *host, uint64_t memory_limit);
void native_host_set_block_device(struct native_host *host, bool block_device);

/* Called before each doorbell is answered (from 1): a test may write to the image as
 * another program would. */
typedef void native_hook(void *context, struct native_image *image, uint64_t doorbell);
void native_host_set_hook(struct native_host *host, native_hook *hook, void *context);

/* Called with every report of a program that only looks (guest/abi_report.h).  Without a
 * sink a report breaks a rule; with one, any request that writes does. */
typedef void native_sink(void *context, uint64_t kind, const void *bytes,
                         uint64_t length);
void native_host_set_sink(struct native_host *host, native_sink *sink, void *context);

/* The same for a program that tells what it is going to do, and then writes. */
void native_host_report_to(struct native_host *host, native_sink *sink, void *context);

/* The n-th write (read) from now on fails, counted from 1; 0: none does. */
void native_host_fail_write(struct native_host *host, uint64_t nth);
void native_host_fail_read(struct native_host *host, uint64_t nth);

/*
 * Run a guest program over the image.  `call` as the command line would fill it in:
 * memory_size is set here, and file_size, the block device's flag and
 * header_fingerprint where they are 0.  One try: NATIVE_CHANGED is for the caller to
 * repeat.
 */
struct native_outcome native_run(struct native_host *host, void (*program)(void),
                                 const struct abi_call *call);

#endif
